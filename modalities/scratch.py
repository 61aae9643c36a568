"""A store whose new artifacts stay in memory: for answers that nobody keeps."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from storage.artifacts import Artifact, ArtifactStore


class ScratchStore:
    """Artifacts of a store, and new ones that are forgotten with this object: for operators, which read and put."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._new: dict[str, bytes] = {}

    def put(self, source: bytes, media_type: str) -> Artifact:
        """Keep bytes in memory."""
        artifact = Artifact(sha256=hashlib.sha256(source).hexdigest(), media_type=media_type, size=len(source))
        self._new[artifact.sha256] = source
        return artifact

    def get(self, artifact: Artifact) -> bytes:
        """Return all bytes of an artifact, new or stored."""
        found = self._new.get(artifact.sha256)
        return self._store.get(artifact) if found is None else found

    @contextmanager
    def local(self, artifact: Artifact, suffix: str = "") -> Generator[Path]:
        """The bytes of a stored artifact as a temporary file, deleted at the end of the context."""
        with self._store.local(artifact, suffix) as path:
            yield path
