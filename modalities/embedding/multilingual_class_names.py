"""Picture search in many languages without a trained pair of towers.

Like ClassNameClip, a picture is the mean of the class names that a classifier sees in it, here in two sentence
encoders at once: an English one and a multilingual one. A query in English is compared in both, any other in the
multilingual one alone. The first 384 components are the English part, the others the multilingual one.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from media.errors import ItemError
from modalities.contract import ModelSpec, Progress, Weights
from modalities.embedding.attribution import ClassShare
from modalities.embedding.class_name_clip import ClassNameClip, shares_of_classes
from modalities.embedding.concepts import ConceptLexicon, MentionedConcepts
from modalities.embedding.english import is_english
from modalities.embedding.nano_e5 import E5Engine
from modalities.embedding.queries import EncodedQuery
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, Vectors
from modalities.embedding.two_towers import embed
from modalities.errors import ModelUnavailable
from storage.artifacts import ArtifactStore

if TYPE_CHECKING:
    from PIL.Image import Image

_CLASS_NAMES = "class_names.safetensors"
_CONCEPTS = "concepts.json"
_WEIGHT = 0.5
"""What the cosine of the multilingual part counts, when that of the English part counts 1."""
_END = re.compile(r"[\s.!?。！？…]+$")

# Measured on captions and absent things (benchmarks/search_calibration.py): how much a cosine counts, and how much it
# counts that the query is like the names of things that can be seen. The second line is about the picture alone: how
# far it stands out of what the query has in common with every class.
_COSINE, _TYPICAL = 6.0, 25.0
_INTERCEPT_ENGLISH, _INTERCEPT_OTHER = 0.4, 0.7
_EVEN_ENGLISH, _EVEN_OTHER = (1.5, 2.17), (2.0, 1.15)
"""Slope for each standard deviation, and the number of them at even odds."""
_ABSTRACT, _ABSTRACT_FREE = 2.5, 1.0
"""How much it counts against every picture that a query is about nothing visible, and how much of that is free."""
_NAMED_CONCEPT, _UNKNOWN_WORD = 3.0, 1.0
"""What counts against a picture by its vector alone: where the query is a concept that would have been recognized, and
where it is one word that names none, which the encoders tell badly."""


class MultilingualClassNames:
    """EfficientNet-Lite0 as image tower; MiniLM and multilingual E5 as text towers and for the class names.

    The other requests of a batch change a vector by rounding only, as with ClassNameClip.
    """

    version: ClassVar[str] = "1"

    def __init__(
        self, english: ClassNameClip, tensors: dict[str, Vectors], lexicon: ConceptLexicon, engine: E5Engine
    ) -> None:
        names = _unit(tensors["names"])
        self.batch_size = english.batch_size
        self.picture_side = english.picture_side
        self._english = english
        self._names = names
        self._mean = tensors["mean"]
        self._depictable = tensors["depictable"]
        self._lexicon = lexicon
        self._engine = engine
        self._typical = _unit(names.mean(0))
        self._classes = _joined(english.class_names(), names)

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load the packages' files and the vectors of the class names. Raises ModelUnavailable."""
        from safetensors.numpy import load_file

        files = [path for folder in weights.folders for path in folder.glob(_CLASS_NAMES)]
        if not files:
            raise ModelUnavailable(f"The weights of {spec.name} have no {_CLASS_NAMES}.")
        tensors = {key: tensor.astype(np.float32) for key, tensor in load_file(files[0]).items()}
        lexicon = ConceptLexicon.load(files[0].with_name(_CONCEPTS), len(tensors["names"]))
        clip = ClassNameClip.load(spec, weights, names=_unit(tensors["english"]))
        return cls(clip, tensors, lexicon, E5Engine.load(spec.name, weights))

    def __call__(
        self, requests: Sequence[EmbedImage | EmbedText], store: ArtifactStore, progress: Progress
    ) -> Sequence[Embedding | ItemError]:
        """Return one embedding per picture or text."""
        return embed(self, requests, store, progress)

    def prepare(self, picture: "Image") -> Any:
        """Resize the whole picture, ignoring its aspect ratio, to uint8 of shape (224, 224, 3)."""
        return self._english.prepare(picture)

    def encode_pictures(self, prepared: Sequence[Any]) -> Vectors:
        """Return one row of 768 components per prepared picture."""
        return self.encode_and_recognize(prepared)[0]

    def encode_and_recognize(self, prepared: Sequence[Any]) -> tuple[Vectors, list[dict[str, float]]]:
        """Return one row of 768 components per prepared picture, and the probabilities of its concepts."""
        logits = self._english.class_logits(prepared)
        weights, classes = self._english.most_probable(logits)
        weights, classes = weights.cpu().numpy(), classes.cpu().numpy()
        english = (weights[..., None] * self._english.class_names()[classes]).sum(1)
        vectors = _joined(_unit(english), _unit((weights[..., None] * self._names[classes]).sum(1)))
        return vectors, self._lexicon.recognize(logits.softmax(-1).cpu().numpy())

    def class_shares(self, picture: "Image", vector: Vectors) -> list[ClassShare]:
        """Return the classes that bring a picture nearest to a query, the largest share first."""
        weights, classes = self._english.class_weights([self.prepare(picture)])
        probabilities, numbers = weights[0].cpu().numpy(), classes[0].cpu().numpy()
        cosines = self._classes @ vector
        return shares_of_classes(probabilities, numbers, (cosines - cosines.mean())[numbers])

    def class_activation_map(self, picture: "Image", vector: Vectors) -> Vectors:
        """Return how much each region raises the cosine to a query: shape (7, 7), of any scale."""
        return self._english.activation_map(picture, self._classes @ vector)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return one row of 768 components per text."""
        plain = [_END.sub("", text) for text in texts]
        return np.stack([self._vector(text, self._read(text), english=self._is_english(text)) for text in plain])

    def encode_query(self, text: str) -> EncodedQuery:
        """Encode a query; its lines say how probable it is that a picture shows it."""
        plain = _END.sub("", text)
        read, english = self._read(plain), self._is_english(plain)
        vector = self._vector(plain, read, english=english)
        mentioned = self._lexicon.mentioned(plain, english=english)
        against = self._against(read, mentioned)
        background = self._classes @ vector
        slope, even = _EVEN_ENGLISH if english else _EVEN_OTHER
        per_cosine = slope / max(float(background.std()), 1e-3)
        stands_out = (per_cosine, -per_cosine * float(background.mean()) - slope * even - against)
        typical = _TYPICAL * float(self._typical @ _unit(read))
        typical += (_INTERCEPT_ENGLISH if english else _INTERCEPT_OTHER) - against
        return EncodedQuery(vector.tolist(), ((_COSINE, typical), stands_out), mentioned)

    def _against(self, read: Vectors, mentioned: MentionedConcepts) -> float:
        """What is subtracted from the logit of every picture: for a query about nothing visible, or about a concept."""
        depictable = float(self._depictable[:-1] @ read + self._depictable[-1])
        abstract = max(0.0, -_ABSTRACT * depictable - _ABSTRACT_FREE)
        if mentioned.coverage == 1:
            return abstract + _NAMED_CONCEPT
        return abstract + (_UNKNOWN_WORD if not mentioned.groups and mentioned.other_words <= 1 else 0.0)

    def _read(self, text: str) -> Vectors:
        """The vector of the multilingual encoder, less its mean over the class names."""
        return self._engine.encode([text], "query")[0] - self._mean

    def _is_english(self, text: str) -> bool:
        return is_english(text, self._english.tokenizer)

    def _vector(self, text: str, read: Vectors, *, english: bool) -> Vectors:
        """The vector of a query, from what the multilingual encoder reads in it."""
        multilingual = _unit(read)
        if not english:
            return np.concatenate([np.zeros_like(multilingual), multilingual])
        return _joined(self._english.encode_texts([text]), multilingual[None])[0]


def _unit(rows: Vectors) -> Vectors:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)


def _joined(english: Vectors, multilingual: Vectors) -> Vectors:
    """The two parts of each row, weighted and scaled to length 1."""
    return np.concatenate([english, multilingual * _WEIGHT**0.5], axis=-1) / (1 + _WEIGHT) ** 0.5
