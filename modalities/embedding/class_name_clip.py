"""Picture search without a trained pair of towers: an image classifier and a sentence encoder in one vector space.

A picture's vector is the mean of the sentence embeddings of ImageNet class names, weighted by the classifier's
probabilities. A text's vector is its sentence embedding. Nothing is trained on captioned photos. The classes cover
objects and animals well; people and scenes only through the objects around them.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from media.errors import ItemError
from modalities.contract import ModelSpec, Progress, Weights
from modalities.embedding.attribution import ClassShare
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, Vectors
from modalities.embedding.text_encoder import SentenceEncoder
from modalities.embedding.two_towers import embed, unit_rows
from modalities.errors import ModelUnavailable
from modalities.models.devices import DeviceName, choose_device, choose_dtype
from storage.artifacts import ArtifactStore
from storage.atomic_files import create_once

if TYPE_CHECKING:
    from PIL.Image import Image

_ARCHITECTURE = "tf_efficientnet_lite0"
_SIDE = 224
_MOST_SHARES, _LEAST_SHARE = 5, 0.02


class ClassNameOptions(BaseModel):
    """The `options` in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(
        default=1.5, gt=0, description="Of the softmax; above 1, less probable classes weigh more."
    )
    top: int = Field(default=50, ge=1, le=1000, description="How many of the most probable classes are averaged.")
    max_tokens: int = Field(default=256, ge=3, description="Longer texts are truncated.")


class ClassNameClip:
    """EfficientNet-Lite0 as image tower; a sentence encoder as text tower and for the class names.

    The other requests of a batch change a vector by rounding only: the cosine to the vector computed alone stays above
    0.999 in bfloat16 and above 0.99999 in float32.
    """

    version: ClassVar[str] = "1"
    picture_side = _SIDE

    def __init__(
        self, classifier: Any, names: Any, encoder: SentenceEncoder, options: ClassNameOptions, device: DeviceName
    ) -> None:
        self.batch_size = 16 if device == "cpu" else 128
        self._classifier = classifier
        self._names = names
        self._encoder = encoder
        self._options = options
        self._device = device

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights, names: Vectors | None = None) -> Self:
        """Load the packages' files, caching the tensors derived from them. Raises ModelUnavailable.

        `names` are the vectors of the classes, if they need not be made.
        """
        import timm
        import torch

        options = ClassNameOptions.model_validate(spec.options)
        encoder = SentenceEncoder.load(spec, weights, options.max_tokens)
        device = choose_device(spec)
        dtype = choose_dtype(spec, device)
        classifier: Any = timm.create_model(_ARCHITECTURE, pretrained=False)
        own = classifier.state_dict()
        tower = _cached_tensors(
            weights.cache / "image_tower.safetensors", lambda: _renamed_tensors(spec.name, weights, own)
        )
        classifier.load_state_dict(tower)
        classifier = classifier.eval().to(device, getattr(torch, dtype), memory_format=torch.channels_last)
        vectors = torch.from_numpy(names) if names is not None else _cached_class_vectors(encoder, weights, dtype)
        return cls(classifier, vectors.to(device), encoder, options, device)

    def __call__(
        self, requests: Sequence[EmbedImage | EmbedText], store: ArtifactStore, progress: Progress
    ) -> Sequence[Embedding | ItemError]:
        """Return one embedding per picture or text."""
        return embed(self, requests, store, progress)

    def prepare(self, picture: "Image") -> Any:
        """Resize the whole picture, ignoring its aspect ratio, to uint8 of shape (224, 224, 3)."""
        from PIL import Image

        return np.array(picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))

    def encode_pictures(self, prepared: Sequence[Any]) -> Vectors:
        weights, classes = self.class_weights(prepared)
        return unit_rows((weights[..., None] * self._names[classes]).sum(1))

    def class_weights(self, prepared: Sequence[Any]) -> tuple[Any, Any]:
        """The probabilities of the most probable classes of each picture, and their numbers: tensors (n, top)."""
        return self.most_probable(self.class_logits(prepared))

    def most_probable(self, logits: Any) -> tuple[Any, Any]:
        """The same of logits (n, 1000), at the temperature of the options."""
        return (logits / self._options.temperature).softmax(-1).topk(self._options.top, dim=-1)

    def class_logits(self, prepared: Sequence[Any]) -> Any:
        """The logits of the classes of each picture: a float32 tensor (n, 1000)."""
        import torch

        with torch.inference_mode():
            return self._classifier(self._pixels(prepared)).float()

    def activation_map(self, picture: "Image", cosines: Vectors) -> Vectors:
        """Return how much each region raises the mean cosine of the classes by their probabilities: shape (7, 7).

        The logits are means of the classes' activation maps, which are weighted by the gradient of that mean. `cosines`
        are those of the query and the names of the classes: shape (1000,).
        """
        import torch

        with torch.inference_mode():
            features = self._classifier.forward_features(self._pixels([self.prepare(picture)]))[0].float()
            maps = torch.einsum("kc,chw->khw", self._classifier.classifier.weight.float(), features)
            logits = maps.mean((1, 2)) + self._classifier.classifier.bias.float()
            probabilities = (logits / self._options.temperature).softmax(0)
            likeness = torch.from_numpy(cosines).to(self._device)
            gradient = probabilities * (likeness - (probabilities * likeness).sum())
            return torch.einsum("k,khw->hw", gradient, maps).cpu().numpy()

    def class_activation_map(self, picture: "Image", vector: Vectors) -> Vectors:
        """Return how much each region raises the cosine to a query: shape (7, 7), of any scale."""
        return self.activation_map(picture, self.class_names() @ vector)

    def _pixels(self, prepared: Sequence[Any]) -> Any:
        import torch

        pixels = torch.from_numpy(np.stack(prepared)).to(self._device)
        pixels = pixels.permute(0, 3, 1, 2)  # a view in channels_last order
        return (pixels.float() / 127.5 - 1).to(next(self._classifier.parameters()).dtype)

    def class_shares(self, picture: "Image", vector: Vectors) -> list[ClassShare]:
        """Return the classes that bring a picture nearest to a query, the largest share first."""
        weights, classes = self.class_weights([self.prepare(picture)])
        cosines = self.class_names() @ vector
        numbers = classes[0].cpu().numpy()
        return shares_of_classes(weights[0].cpu().numpy(), numbers, (cosines - cosines.mean())[numbers])

    def class_names(self) -> Vectors:
        """The sentence embedding of each class: shape (1000, dimension)."""
        return self._names.cpu().numpy()

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the sentence encoder."""
        return self._encoder.tokenizer

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return self._encoder.encode(texts)


def shares_of_classes(probabilities: Vectors, classes: Any, cosines: Vectors) -> list[ClassShare]:
    """Share out a cosine among the classes that raise it: at most five with 2 % or more of it.

    `cosines` are those of the query and the names of the classes, less their mean over all classes.
    """
    raising = np.maximum(probabilities * cosines, 0)
    shares = raising / max(float(raising.sum()), 1e-9)
    names = _class_texts()
    return [
        ClassShare(
            name=names[classes[at]][0].split(",")[0],
            probability=round(float(probabilities[at]), 3),
            share=round(float(shares[at]), 3),
        )
        for at in np.argsort(-shares)[:_MOST_SHARES]
        if shares[at] >= _LEAST_SHARE
    ]


def _class_texts() -> list[tuple[str, str]]:
    """For each ImageNet class: its names, and its names with their definition."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    return list(zip(info.label_descriptions(), info.label_descriptions(detailed=True), strict=True))


def _cached_class_vectors(encoder: SentenceEncoder, weights: Weights, dtype: str) -> Any:
    """The vectors of the classes by this encoder, which are made once."""
    texts = _class_texts()
    key = hashlib.sha256(f"{dtype}\n{texts}".encode()).hexdigest()[:16]
    path = weights.cache / f"class_names_{key}.safetensors"
    return _cached_tensors(path, lambda: _class_vectors(encoder, texts))["names"]


def _class_vectors(encoder: SentenceEncoder, texts: list[tuple[str, str]]) -> dict[str, Any]:
    """One vector per class, the mean of its two texts: it retrieves better than either text alone (see tests)."""
    import torch

    both = [torch.from_numpy(encoder.encode(column)) for column in zip(*texts, strict=True)]
    return {"names": torch.nn.functional.normalize(both[0] + both[1], dim=-1)}


def _renamed_tensors(name: str, weights: Weights, own: dict[str, Any]) -> dict[str, Any]:
    """Rename the package's tensors, which are in timm's order, to timm's names. Raises ModelUnavailable."""
    import torch

    files = [path for folder in weights.folders for path in folder.rglob("*.pth")]
    if len(files) != 1:
        raise ModelUnavailable(f"The weights of {name} have {len(files)} .pth files where one is the image tower.")
    # A pickle: only tensors are read from it, and its digest matches the catalogue's.
    tensors: dict[str, Any] = torch.load(files[0], map_location="cpu", weights_only=True)
    if [tensor.shape for tensor in tensors.values()] != [tensor.shape for tensor in own.values()]:
        raise ModelUnavailable(f"The image tower of {name} is not a {_ARCHITECTURE}: its tensors have other shapes.")
    return {key: tensor.contiguous() for key, tensor in zip(own, tensors.values(), strict=True)}


def _cached_tensors(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Load tensors from the file, after creating it if it does not exist."""
    from safetensors.torch import load_file, save_file

    return load_file(create_once(path, lambda unfinished: save_file(make(), unfinished)))
