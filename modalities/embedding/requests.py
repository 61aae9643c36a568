"""Requests and results of embedding: pictures and texts as unit vectors whose cosine measures similarity."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from modalities.contract import Request, Result
from modalities.scratch import ScratchStore
from storage.artifacts import Artifact, ArtifactStore

Vectors = NDArray[np.float32]
"""Embeddings of shape (n, dimension); each row has length 1."""
Role = Literal["query", "passage"]
_PARALLEL_WRITES = 4


class Embedding(Result):
    """A unit vector."""

    vector: Artifact = Field(description="application/octet-stream: little-endian float32; see read_vector.")
    dimension: int = Field(ge=1)
    concepts: dict[str, float] = Field(
        default_factory=dict,
        description="What a picture shows, such as dog.n.01 (WordNet), with its probability; by models that can tell.",
    )


class EmbedImage(Request[Embedding]):
    """Embed a picture. With a model that has both towers, the vector is comparable with those of EmbedText."""

    image: Artifact


class EmbedText(Request[Embedding]):
    """Embed a text. Models with asymmetric search treat queries and passages differently."""

    text: str
    role: Role = Field(default="query", description="query: a search; passage: a text to be found.")


def read_vector(store: ArtifactStore | ScratchStore, embedding: Embedding) -> Vectors:
    """Read the vector: float32 of shape (dimension,)."""
    return np.frombuffer(store.get(embedding.vector), "<f4", count=embedding.dimension).astype(np.float32)


def store_vectors(
    store: ArtifactStore, vectors: Vectors, concepts: Sequence[dict[str, float]] | None = None
) -> list[Embedding]:
    """Store each row as an artifact, in parallel, and return one embedding per row, with its concepts if given."""

    def store_vector(vector: Vectors, shown: dict[str, float]) -> Embedding:
        data = vector.astype("<f4").tobytes()
        stored = store.put(data, "application/octet-stream")
        return Embedding(vector=stored, dimension=len(vector), concepts=shown)

    with ThreadPoolExecutor(_PARALLEL_WRITES) as threads:
        return list(threads.map(store_vector, vectors, concepts or [{}] * len(vectors)))
