"""Artifacts: immutable bytes named by their hash, one project at a time.

Small bytes are hashed and created directly. A stream goes to `tmp/` while it is hashed, and is then copied to the key
of its hash: a 2 GB recording is never held in memory, and a blob's key never names half a file.
"""

import hashlib
import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from storage.bucket import Bucket, Readable
from storage.errors import (
    ArtifactCorrupt,
    ArtifactNotFound,
    InvalidName,
    ObjectNotFound,
    StorageError,
    TooLarge,
)

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
LINK_LIFETIME = timedelta(minutes=15)
_CHUNK = 1024 * 1024
_PROJECT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_RESERVED = frozenset({"inbox", "quarantine", "tmp", "models", "footprints", "gateway"})


class Artifact(BaseModel):
    """A reference to immutable bytes; `size` in bytes. Equal bytes are one artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Sha256
    media_type: str
    size: int = Field(ge=0)


class ArtifactStore:
    """The blobs of one project."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self.bucket = bucket
        self.project = checked_project(project)

    def put(self, source: bytes | Readable, media_type: str, *, max_bytes: int | None = None) -> Artifact:
        """Store bytes or a stream. Raises TooLarge past `max_bytes`; then nothing is kept."""
        if isinstance(source, bytes):
            return self._put_bytes(source, media_type, max_bytes)
        return self._put_stream(source, media_type, max_bytes)

    def get(self, artifact: Artifact) -> bytes:
        """All bytes, verified against their hash. For small artifacts; `open` streams."""
        with self.open(artifact) as stream:
            return b"".join(iter(lambda: stream.read(_CHUNK), b""))

    @contextmanager
    def open(self, artifact: Artifact) -> Generator["VerifiedReader"]:
        """A stream whose last read raises ArtifactCorrupt when the bytes are not the artifact's."""
        try:
            with self.bucket.open(self._key(artifact.sha256)) as response:
                yield VerifiedReader(response, artifact)
        except ObjectNotFound as error:
            raise self._missing(artifact.sha256) from error

    @contextmanager
    def open_range(self, artifact: Artifact, start: int, length: int) -> Generator[Readable]:
        """A stream of some of the bytes, which cannot be verified: to play and to show, not to compute with."""
        try:
            with self.bucket.open(self._key(artifact.sha256), start, length) as response:
                yield response
        except ObjectNotFound as error:
            raise self._missing(artifact.sha256) from error

    @contextmanager
    def local(self, artifact: Artifact, suffix: str = "") -> Generator[Path]:
        """The verified bytes as a file that lives as long as the context."""
        with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
            path = Path(folder) / f"artifact{suffix}"
            with self.open(artifact) as stream, path.open("wb") as file:
                for chunk in iter(lambda: stream.read(_CHUNK), b""):
                    file.write(chunk)
            yield path

    def url(self, artifact: Artifact, name: str, expires: timedelta = LINK_LIFETIME) -> str:
        """A presigned link to download the artifact as `name`, for 15 minutes unless told otherwise."""
        return self.bucket.presign_get(
            self._key(artifact.sha256),
            expires=expires,
            media_type=artifact.media_type,
            disposition=f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        )

    def find(self, sha256: str) -> Artifact | None:
        """The artifact of a whole hash, if the project has its bytes; nobody needs to have recorded it."""
        found = self.bucket.stat(self._key(sha256))
        return Artifact(sha256=sha256, media_type=found.media_type, size=found.size) if found else None

    def exists(self, sha256: str) -> bool:
        return self.bucket.stat(self._key(sha256)) is not None

    def _put_bytes(self, data: bytes, media_type: str, max_bytes: int | None) -> Artifact:
        if max_bytes is not None and len(data) > max_bytes:
            raise _too_large(max_bytes)
        artifact = Artifact(sha256=hashlib.sha256(data).hexdigest(), media_type=media_type, size=len(data))
        key = self._key(artifact.sha256)
        if not self.exists(artifact.sha256) and not self.bucket.create(key, data, media_type=media_type):
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
            if not self.exists(sha256):
                self.bucket.copy(upload, self._key(sha256))
        finally:
            self.bucket.remove(upload)
        return Artifact(sha256=sha256, media_type=media_type, size=size)

    def _key(self, sha256: str) -> str:
        return blob_key(self.project, sha256)

    def _missing(self, sha256: str) -> ArtifactNotFound:
        return ArtifactNotFound(f"Project {self.project} has no bytes for the artifact {sha256}.")


class VerifiedReader:
    """Reads an artifact's bytes and compares their hash at the end."""

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
    """Passes a stream on while hashing, counting and capping it."""

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


def blob_key(project: str, sha256: str) -> str:
    """Where the bytes of an artifact stand."""
    return f"{project}/blobs/sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def checked_project(name: str) -> str:
    """The name, if it can stand in a key. Raises InvalidName."""
    if not _PROJECT.fullmatch(name) or name in _RESERVED:
        raise InvalidName(
            f"{name!r} cannot name a project: use a-z, 0-9 and -, at most 63 characters, "
            f"and none of {', '.join(sorted(_RESERVED))}."
        )
    return name


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The file is larger than the limit of {max_bytes / 1e6:.0f} MB.")
