"""Object stores for backups: the interface that a bucket has too, and a folder that implements it."""

import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

from storage.errors import ObjectNotFound, StorageError
from storage.objects import Readable, StoredObject

_CHUNK = 1024 * 1024
_UNFINISHED = ".unfinished-"


class ObjectStore(Protocol):
    """Bytes under keys: a `Bucket` or a `FolderStore`."""

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Every object whose key begins with `prefix`."""
        ...

    def open(self, key: str) -> AbstractContextManager[Readable]:
        """A stream of the bytes under `key`. Raises ObjectNotFound."""
        ...

    def get(self, key: str) -> bytes:
        """All bytes under `key`. Raises ObjectNotFound."""
        ...

    def put(self, key: str, data: bytes | Readable, *, media_type: str) -> None:
        """Write or overwrite; when the stream raises, nothing is written."""
        ...

    def remove(self, key: str) -> None:
        """Delete; removing what is not there is no error."""
        ...


class FolderStore:
    """A folder with one file per object, each written atomically and synced."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        for folder, folders, names in os.walk(self._root):
            folders.sort()
            for name in sorted(names):
                path = Path(folder) / name
                key = _key(path.relative_to(self._root))
                if key.startswith(prefix) and not name.startswith(_UNFINISHED):
                    stat = path.stat()
                    yield StoredObject(key, stat.st_size, "", datetime.fromtimestamp(stat.st_mtime, UTC), {})

    @contextmanager
    def open(self, key: str) -> Generator[BinaryIO]:
        try:
            file = self._path(key).open("rb")
        except (FileNotFoundError, IsADirectoryError) as error:
            raise ObjectNotFound(f"Nothing is stored under {key}.") from error
        with file:
            yield file

    def get(self, key: str) -> bytes:
        with self.open(key) as stream:
            return stream.read()

    def put(self, key: str, data: bytes | Readable, *, media_type: str) -> None:
        path = self._path(key)
        unfinished = path.with_name(f"{_UNFINISHED}{uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                for chunk in [data] if isinstance(data, bytes) else iter(lambda: data.read(_CHUNK), b""):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror}.") from error
        finally:
            unfinished.unlink(missing_ok=True)

    def remove(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        # Keys of quarantined files contain names from outside: no part of a key may leave the folder.
        return self._root.joinpath(*(_file_name(part) for part in key.split("/")))


def _file_name(part: str) -> str:
    """The escaped file name of one part of a key; `_key` reverses it."""
    safe = part.replace("%", "%25")
    return safe if part not in ("", ".", "..") else "%2E" * len(part) or "%"


def _key(relative: Path) -> str:
    parts = ("" if part == "%" else part.replace("%2E", ".").replace("%25", "%") for part in relative.parts)
    return "/".join(parts)
