"""Content-addressed storage: artifacts are immutable bytes under the key of their sha256, one project at a time.

Bytes in memory are hashed and created directly. A stream is uploaded to `tmp/` while it is hashed, then copied to the
key of its hash on the server: so no file is held in memory, and no blob key ever holds part of a file.
"""

import hashlib
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from storage.bucket import Bucket
from storage.deletion_marks import DeletionMarks
from storage.errors import (
    ArtifactCorrupt,
    ArtifactNotFound,
    ObjectNotFound,
    StorageError,
    TooLarge,
)
from storage.names import blob_key, checked_project
from storage.objects import Readable

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
LINK_LIFETIME = timedelta(minutes=15)
_CHUNK = 1024 * 1024
_SENT_UNASKED = 1_000_000
"""Up to so many bytes, sending them again costs less than asking each time whether they are stored."""


class Artifact(BaseModel):
    """A reference to immutable bytes; `size` in bytes. Equal bytes are one artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Sha256
    media_type: str
    size: int = Field(ge=0)


class ArtifactStore:
    """The artifacts (blobs) of one project."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self.bucket = bucket
        self.project = checked_project(project)
        self._marks = DeletionMarks(bucket, project)

    def put(self, source: bytes | Readable, media_type: str, *, max_bytes: int | None = None) -> Artifact:
        """Store bytes or a stream. Raises TooLarge past `max_bytes`, and stores nothing then."""
        if isinstance(source, bytes):
            return self._put_bytes(source, media_type, max_bytes)
        return self._put_stream(source, media_type, max_bytes)

    def get(self, artifact: Artifact) -> bytes:
        """All bytes, verified against their hash, in memory; use `open` for large artifacts."""
        with self.open(artifact) as stream:
            return b"".join(iter(lambda: stream.read(_CHUNK), b""))

    @contextmanager
    def open(self, artifact: Artifact) -> Generator["VerifiedReader"]:
        """A stream of the bytes, whose last read raises ArtifactCorrupt when their hash does not match."""
        try:
            with self.bucket.open(self._key(artifact.sha256)) as response:
                yield VerifiedReader(response, artifact)
        except ObjectNotFound as error:
            raise self._missing(artifact.sha256) from error

    @contextmanager
    def open_range(self, artifact: Artifact, start: int, length: int) -> Generator[Readable]:
        """A stream of a byte range, not verified: for playback and previews, not for computations."""
        try:
            with self.bucket.open(self._key(artifact.sha256), start, length) as response:
                yield response
        except ObjectNotFound as error:
            raise self._missing(artifact.sha256) from error

    @contextmanager
    def local(self, artifact: Artifact, suffix: str = "") -> Generator[Path]:
        """The verified bytes as a temporary file, deleted at the end of the context."""
        with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
            path = Path(folder) / f"artifact{suffix}"
            with self.open(artifact) as stream, path.open("wb") as file:
                for chunk in iter(lambda: stream.read(_CHUNK), b""):
                    file.write(chunk)
            yield path

    def url(self, artifact: Artifact, name: str, expires: timedelta = LINK_LIFETIME) -> str:
        """A presigned URL to download the artifact as `name`."""
        return self.bucket.presign_get(
            self._key(artifact.sha256),
            expires=expires,
            media_type=artifact.media_type,
            disposition=f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        )

    def find(self, sha256: str) -> Artifact | None:
        """The artifact with this sha256, or None when the project lacks its bytes; it needs no record."""
        found = self.bucket.stat(self._key(sha256))
        return Artifact(sha256=sha256, media_type=found.media_type, size=found.size) if found else None

    def exists(self, sha256: str) -> bool:
        """Whether the project has the bytes of this hash."""
        return self.bucket.stat(self._key(sha256)) is not None

    def _put_bytes(self, data: bytes, media_type: str, max_bytes: int | None) -> Artifact:
        if max_bytes is not None and len(data) > max_bytes:
            raise _too_large(max_bytes)
        artifact = Artifact(sha256=hashlib.sha256(data).hexdigest(), media_type=media_type, size=len(data))
        key = self._key(artifact.sha256)
        if len(data) <= _SENT_UNASKED and self.bucket.create_absent(key, data, media_type=media_type):
            return artifact
        if not self._is_stored_to_stay(artifact.sha256) and not self.bucket.create(key, data, media_type=media_type):
            raise ArtifactCorrupt(f"Other bytes stand under the hash {artifact.sha256}.")
        return artifact

    def _put_stream(self, source: Readable, media_type: str, max_bytes: int | None) -> Artifact:
        upload = f"tmp/{uuid4()}"
        reader = _HashingReader(source, max_bytes)
        try:
            self.bucket.put(upload, reader, media_type=media_type)
            sha256, size = reader.digest()
            stored = self.bucket.stat(upload)
            if stored is None or stored.size != size:
                raise StorageError(f"An upload of {size} bytes did not arrive whole: send it again.")
            if not self._is_stored_to_stay(sha256):
                self.bucket.copy(upload, self._key(sha256))
        finally:
            self.bucket.remove(upload)
        return Artifact(sha256=sha256, media_type=media_type, size=size)

    def _is_stored_to_stay(self, sha256: str) -> bool:
        """Whether the bytes are stored already, and no sweep that has begun deletes them."""
        if not self.exists(sha256):
            return False
        self._marks.withdraw(sha256)
        return self.exists(sha256)

    def _key(self, sha256: str) -> str:
        return blob_key(self.project, sha256)

    def _missing(self, sha256: str) -> ArtifactNotFound:
        return ArtifactNotFound(f"Project {self.project} has no bytes for the artifact {sha256}.")


class VerifiedReader:
    """A stream that raises ArtifactCorrupt at its end when the hash of what was read is not the artifact's."""

    def __init__(self, source: Readable, artifact: Artifact) -> None:
        self._source = source
        self._artifact = artifact
        self._hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read() if size < 0 else self._source.read(size)
        self._hash.update(data)
        at_end = not data if size > 0 else size != 0
        if at_end and self._hash.hexdigest() != self._artifact.sha256:
            raise ArtifactCorrupt(f"The bytes of artifact {self._artifact.sha256} have changed in storage.")
        return data


class _HashingReader:
    """A stream that hashes and counts what is read. Raises TooLarge past `max_bytes`."""

    def __init__(self, source: Readable, max_bytes: int | None) -> None:
        self._source = source
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self._size = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self._size += len(data)
        if self._max_bytes is not None and self._size > self._max_bytes:
            raise _too_large(self._max_bytes)
        self._hash.update(data)
        return data

    def digest(self) -> tuple[str, int]:
        return self._hash.hexdigest(), self._size


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The file is larger than the limit of {max_bytes / 1e6:.0f} MB.")
