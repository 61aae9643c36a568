"""Stub models that answer at once and log each request as a line of a file, so that tests can count calls."""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from modalities.contract import ModelSpec, Progress, Request, Weights
from modalities.embedding.requests import EmbedImage, store_vectors
from modalities.speech.requests import PieceTranscript, TranscribePiece, Transcript, TranscriptDocument
from modalities.speech.segments import SEGMENTS, Segment
from storage.artifacts import ArtifactStore

_DIMENSION = 8


class _StubModel:
    version: ClassVar[str] = "1"

    def __init__(self, calls: Path, seconds: float) -> None:
        self.batch_size = 4
        self._calls, self._seconds = calls, seconds

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        return cls(Path(spec.options["calls"]), float(spec.options.get("seconds", 0.0)))

    def log(self, requests: Sequence[Request[Any]]) -> None:
        with self._calls.open("a", encoding="utf-8") as file:
            file.write("".join(f"{request.model_dump_json()}\n" for request in requests))
        time.sleep(self._seconds)


class StubEmbedder(_StubModel):
    """Embed pictures and texts as vectors derived from the hash of their bytes."""

    def __call__(self, requests: Sequence[Any], store: ArtifactStore, progress: Progress) -> Sequence[Any]:
        self.log(requests)
        rows = [self._vector(request, store) for request in requests]
        return store_vectors(store, np.array(rows, dtype=np.float32))

    def _vector(self, request: Any, store: ArtifactStore) -> Any:
        data = store.get(request.image) if isinstance(request, EmbedImage) else request.text.encode()
        numbers = np.frombuffer(hashlib.sha256(data).digest()[:_DIMENSION], np.uint8).astype(np.float32) + 1
        return numbers / np.linalg.norm(numbers)


class StubTranscriber(_StubModel):
    """Transcribe every recording, and its only piece, as the same sentence."""

    def __call__(self, requests: Sequence[Any], store: ArtifactStore, progress: Progress) -> Sequence[Any]:
        self.log(requests)
        return [(_piece if isinstance(request, TranscribePiece) else _transcript)(store) for request in requests]


_SEGMENT = Segment(start_seconds=0, end_seconds=1, text="Somebody speaks.")


def _piece(store: ArtifactStore) -> PieceTranscript:
    kept = store.put(SEGMENTS.dump_json([_SEGMENT]), "application/json")
    return PieceTranscript(
        end_seconds=1, is_last=True, expected_seconds=1, language="en", language_probability=1, segments=kept
    )


def _transcript(store: ArtifactStore) -> Transcript:
    document = TranscriptDocument(language="en", task="transcribe", duration_seconds=1, segments=(_SEGMENT,))
    kept = store.put(document.model_dump_json().encode(), "application/json")
    return Transcript(language="en", language_probability=1, duration_seconds=1, text=_SEGMENT.text, document=kept)


def write_catalogue(folder: Path, seconds: float = 0.0) -> Path:
    """Write a catalogue of the stub models, which log their requests to the file `calls` in the folder."""
    weights = folder / "weights"
    weights.mkdir(exist_ok=True)
    (weights / "none.txt").write_text("no weights\n", encoding="utf-8")
    options = {"calls": str(folder / "calls"), "seconds": seconds}
    common = {"source": {"folder": str(weights)}, "licence": "Apache-2.0", "options": options}
    profile = {
        "pictures": "stub-embedder",
        "passages": "stub-embedder",
        "speech": "stub-transcriber",
        "translation": [],
        "generation": "stub-embedder",
    }
    document = {
        "models": {
            "stub-embedder": {"operator": "tests.faults.stub_models:StubEmbedder", **common},
            "stub-transcriber": {"operator": "tests.faults.stub_models:StubTranscriber", **common},
        },
        "profiles": {"starter": profile},
    }
    path = folder / "models.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
    return path


class BrokenModel(_StubModel):
    """A model whose weights cannot be read."""

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        raise ValueError("the header is too large")


class LockedEmbedder(StubEmbedder):
    """A model that cannot be loaded while there is a file `locked` beside its log."""

    @classmethod
    def load(cls, spec: ModelSpec, weights: Weights) -> Self:
        if Path(spec.options["calls"]).with_name("locked").exists():
            raise ValueError("the weights are locked")
        return super().load(spec, weights)
