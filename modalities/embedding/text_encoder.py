"""The operator for sentence encoders: transformers with mean or CLS pooling."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from media.errors import ItemError
from modalities.contract import ModelSpec, Progress, Weights
from modalities.embedding.pooling import Pooling, trained_pooling
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, Role, Vectors, store_vectors
from modalities.embedding.two_towers import unit_rows
from modalities.errors import InvalidCatalogue, InvalidRequest, ModelUnavailable
from modalities.models.devices import DeviceName, choose_device, choose_dtype
from modalities.models.pickled_tensors import PICKLED, has_safetensors, rewrite_as_safetensors
from storage.artifacts import ArtifactStore
from storage.atomic_files import create_once


class TextEncoderOptions(BaseModel):
    """The `options` of a text encoder in the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: int = Field(default=512, ge=3, description="Longer texts are truncated.")
    pooling: Pooling = Field(default="mean", description="The pooling that the model was trained with.")
    prefixes: dict[Role, str] = Field(
        default={}, description="Put before the texts of each role, such as `query: 'query: '` for E5 models."
    )


class SentenceEncoder:
    """A loaded transformer with its tokenizer and pooling."""

    def __init__(self, model: Any, tokenizer: Any, device: DeviceName, max_tokens: int, pooling: Pooling) -> None:
        self.batch_size = 32 if device == "cpu" else 256
        self._model = model
        self._tokenizer = tokenizer
        self._device = device
        self._max_tokens = min(max_tokens, tokenizer.model_max_length)
        self._pooling: Pooling = pooling
        self._tokenizer_lock = Lock()  # a fast tokenizer keeps its truncation settings as state: not thread-safe

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights, max_tokens: int, pooling: Pooling = "mean") -> Self:
        """Load the folder with config.json and safetensors.

        Raises ModelUnavailable, and InvalidCatalogue for int8 or a pooling that the model was not trained with.
        """
        import torch
        from transformers import AutoModel, AutoTokenizer

        device = choose_device(spec)
        dtype = choose_dtype(spec, device)
        if dtype == "int8":
            raise InvalidCatalogue(f"The model {spec.name} cannot run in int8: use auto, float32 or bfloat16.")
        folder = model_folder(spec.name, weights)
        trained = trained_pooling(spec.name, weights.folder if folder.is_relative_to(weights.cache) else folder)
        if trained not in (None, pooling):
            raise InvalidCatalogue(
                f"The model {spec.name} was trained with {trained} pooling: set `pooling: {trained}` in its options."
            )
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=getattr(torch, dtype)
            )
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise ModelUnavailable(f"The model {spec.name} is not one that transformers can load: {error}.") from error
        return cls(model.to(device).eval(), tokenizer, device, max_tokens, pooling)

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the model."""
        return self._tokenizer

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the pooled last hidden states of each text, scaled to length 1: shape (texts, dimension)."""
        import torch

        if not texts:
            return np.empty((0, self._model.config.hidden_size), np.float32)
        with self._tokenizer_lock:
            tokens = self._tokenizer(list(texts), truncation=True, max_length=self._max_tokens)["input_ids"]
        # Batch texts of similar length, to keep padding short.
        order = sorted(range(len(texts)), key=lambda number: len(tokens[number]))
        vectors = np.empty((len(texts), self._model.config.hidden_size), np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), self.batch_size):
                batch = order[start : start + self.batch_size]
                vectors[batch] = self._encode_batch([tokens[number] for number in batch])
        return vectors

    def _encode_batch(self, tokens: list[list[int]]) -> Vectors:
        import torch

        longest = max(map(len, tokens))
        padding = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [padding] * (longest - len(row)) for row in tokens], device=self._device)
        lengths = torch.tensor([len(row) for row in tokens], device=self._device)
        mask = (torch.arange(longest, device=self._device) < lengths[:, None]).long()
        states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        if self._pooling == "cls":
            return unit_rows(states[:, 0])
        return unit_rows((states * mask[..., None]).sum(1) / lengths[:, None])


class TextEncoder:
    """Sentence encoders such as MiniLM, E5 and BGE.

    The other requests of a batch change a vector by rounding only: less than 1e-5 per component in float32; less than
    0.01 in bfloat16, where the cosine stays above 0.999.
    """

    version: ClassVar[str] = "1"

    def __init__(self, name: str, encoder: SentenceEncoder, prefixes: dict[Role, str]) -> None:
        self.batch_size = encoder.batch_size * 4  # several batches, so that sorting by length is worth it
        self._name = name
        self._encoder = encoder
        self._prefixes = prefixes

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load any transformer with safetensors and a tokenizer. Raises ModelUnavailable, InvalidCatalogue."""
        options = TextEncoderOptions.model_validate(spec.options)
        encoder = SentenceEncoder.load(spec, weights, options.max_tokens, options.pooling)
        return cls(spec.name, encoder, options.prefixes)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of search queries."""
        return self._encoder.encode([self._prefixes.get("query", "") + text for text in texts])

    def __call__(
        self, requests: Sequence[EmbedText | EmbedImage], store: ArtifactStore, progress: Progress
    ) -> Sequence[Embedding | ItemError]:
        """Return one embedding per text, and InvalidRequest for a picture."""
        texts = [self._prefixes.get(r.role, "") + r.text for r in requests if isinstance(r, EmbedText)]
        embeddings = iter(store_vectors(store, self._encoder.encode(texts)))
        progress(1.0)
        return [
            next(embeddings)
            if isinstance(request, EmbedText)
            else InvalidRequest(f"The model {self._name} embeds texts, not pictures: choose one with an image tower.")
            for request in requests
        ]


def model_folder(name: str, weights: Weights) -> Path:
    """The topmost folder that has config.json beside weights; a pickle is rewritten once. Raises ModelUnavailable."""
    configs = sorted((path for folder in weights.folders for path in folder.rglob("config.json")), key=_depth)
    for config in configs:
        if has_safetensors(config.parent):
            return config.parent
        if (config.parent / PICKLED).is_file():
            return create_once(weights.cache / "safetensors", partial(rewrite_as_safetensors, name, config.parent))
    raise ModelUnavailable(f"The weights of {name} have no folder with config.json and .safetensors files.")


def _depth(path: Path) -> int:
    return len(path.parts)
