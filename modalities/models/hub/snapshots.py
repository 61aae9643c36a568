"""Files of the hub on this machine: downloaded once, resumed after an interruption, verified before they are read.

<cache>/hub/models--org--name/listings/<commit>.json    the files at the commit, as the hub lists them
<cache>/hub/models--org--name/snapshots/<commit>/…      files whose bytes were verified
<cache>/hub/models--org--name/parts/<digest>            what an interrupted download has so far
<cache>/hub/verified/<state>                            marks by path, size, modification time and digest
"""

import hashlib
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import BinaryIO, cast

from modalities.contract import ModelSpec, Source
from modalities.errors import ModelUnavailable
from modalities.models.hub.client import Hub, repository
from modalities.models.hub.failures import disk_errors
from modalities.models.hub.files import HubFile, decode_listing, encode_listing, select, total_size
from modalities.models.hub.verified import VerifiedFiles, derived_folder
from storage.atomic_files import atomic_write, fsync_tree

Downloaded = Callable[[int], None]
"""A callback that receives how many more bytes have arrived; negative if some have to come again."""
_MARGIN = 100_000_000
"""Bytes of the disk that a download leaves free."""


class HubSnapshots:
    """The files of hub repositories in a cache folder."""

    def __init__(self, cache: Path, hub: Hub) -> None:
        self._cache, self._folder = cache, cache / "hub"
        self._hub = hub
        self._verified = VerifiedFiles(self._folder / "verified")

    def files(self, name: str, source: Source) -> list[HubFile]:
        """Return the files that a pinned entry uses; asks the hub once per commit. Raises ModelUnavailable."""
        commit = pinned_commit(name, source)
        path = self._listing(source, commit)
        if (known := self._known(source, commit)) is None:
            known = self._hub.files(name, source, commit)
            with disk_errors(name, path.parent):
                self.keep_listing(source, known)
        return select(name, source, known)

    def known_files(self, name: str, source: Source) -> list[HubFile] | None:
        """Return the files that an entry uses without asking the hub; None if it was never asked."""
        known = self._known(source, source.revision or "")
        return None if known is None else select(name, source, known)

    def listing(self, source: Source) -> list[HubFile]:
        """Return all files of the repository at the pinned commit, as they were listed."""
        return self._known(source, source.revision or "") or []

    def keep_listing(self, source: Source, files: Sequence[HubFile]) -> None:
        """Keep the listing of the pinned commit."""
        path = self._listing(source, source.revision or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path), atomic_write(path) as unfinished:
            unfinished.write_text(encode_listing(files), encoding="utf-8")

    def folder(self, source: Source) -> Path:
        """Return the folder of the pinned commit."""
        return self._repository(source) / "snapshots" / (source.revision or "")

    def missing(self, name: str, source: Source) -> list[HubFile]:
        """Return the files that are not here in their size. Asks the hub if it was never asked."""
        return [file for file in self.files(name, source) if not self.is_here(source, file)]

    def is_complete(self, name: str, source: Source) -> bool:
        """Whether all files are here. Never asks the hub."""
        known = self.known_files(name, source)
        return known is not None and all(self.is_here(source, file) for file in known)

    def is_here(self, source: Source, file: HubFile) -> bool:
        """Whether a file of this path and size is in the snapshot."""
        path = self.folder(source) / file.path
        return path.is_file() and path.stat().st_size == file.size

    def locate(self, name: str, source: Source) -> Path:
        """Return the folder with all files, verified; download what is missing. Raises ModelUnavailable."""
        self.fetch(name, source, _ignore)
        for file in self.files(name, source):
            self._verify(name, source, file)
        return self.folder(source)

    def fetch(self, name: str, source: Source, progress: Downloaded) -> None:
        """Download what is missing, going on where an earlier download stopped. Raises ModelUnavailable."""
        missing = self.missing(name, source)
        self._check_disk(name, source, missing)
        for file in missing:
            self._fetch_file(name, source, file, progress)

    def faults(self, name: str, source: Source) -> list[str]:
        """Hash every file anew and return the paths of those that are missing or changed."""
        return [
            file.path
            for file in self.files(name, source)
            if not self.is_here(source, file) or file.digest_of(self.folder(source) / file.path) != file.digest
        ]

    def adopt(self, name: str, source: Source, file: HubFile, write: Callable[[BinaryIO], None]) -> None:
        """Write a file from elsewhere into the snapshot. Raises ModelUnavailable if its bytes are others."""
        part = self._part(source, file)
        part.parent.mkdir(parents=True, exist_ok=True)
        with disk_errors(name, part.parent), _locked(part):
            with part.open("wb") as opened:
                write(opened)
            self._settle(name, source, file, part)

    def remove(self, spec: ModelSpec, keep: Sequence[HubFile]) -> int:
        """Delete the files of a model except those to keep, and what was derived from them; return the bytes freed."""
        kept, folder = {file.path for file in keep}, self.folder(spec.source)
        paths = [p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).as_posix() not in kept]
        paths += (self._repository(spec.source) / "parts").glob("*")
        freed = sum(path.stat().st_size for path in paths)
        for path in paths:
            path.unlink()
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(derived_folder(self._cache, hub_digest(spec)), ignore_errors=True)
        return freed

    def _fetch_file(self, name: str, source: Source, file: HubFile, progress: Downloaded) -> None:
        part = self._part(source, file)
        part.parent.mkdir(parents=True, exist_ok=True)
        with disk_errors(name, part.parent), _locked(part):
            if self.is_here(source, file):  # another process fetched it meanwhile
                return
            resumed = part.stat().st_size if part.exists() else 0
            self._read(name, source, file, part, progress)
            if resumed and file.digest_of(part) != file.digest:
                progress(-file.size)  # what an earlier download left was damaged
                part.unlink()
                self._read(name, source, file, part, progress)
            self._settle(name, source, file, part)

    def _read(self, name: str, source: Source, file: HubFile, part: Path, progress: Downloaded) -> None:
        part.touch()
        with part.open("r+b") as opened:
            start = opened.seek(0, 2)
            if start > file.size:
                start = opened.seek(0)
                opened.truncate()
            progress(start)
            counted = cast("BinaryIO", _Counted(opened, progress))
            self._hub.read(name, source, source.revision or "", file, counted, start)

    def _settle(self, name: str, source: Source, file: HubFile, part: Path) -> None:
        """Move a part into the snapshot if it is the file. Raises ModelUnavailable, and deletes it, if it is not."""
        found = file.digest_of(part)
        if found != file.digest:
            part.unlink()
            raise ModelUnavailable(
                f"The file {file.path} of {name} arrived with other bytes than announced: expected {file.digest}, "
                f"found {found}. Nothing of it was kept: try again, and suspect the proxy or mirror if it stays so."
            )
        target = self.folder(source) / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        fsync_tree(part)
        part.replace(target)
        self._verified.mark(target, file)

    def _verify(self, name: str, source: Source, file: HubFile) -> None:
        """Hash a file unless it was hashed as it is. Raises ModelUnavailable if it changed on disk."""
        path = self.folder(source) / file.path
        if self._verified.has(path, file):
            return
        if file.digest_of(path) != file.digest:
            raise ModelUnavailable(
                f"The file {file.path} of {name} changed on this disk: `triptych models remove {name}` and "
                f"`triptych models pull {name}` fetch it anew."
            )
        self._verified.mark(path, file)

    def _check_disk(self, name: str, source: Source, missing: Sequence[HubFile]) -> None:
        """Raise ModelUnavailable if the disk has no room for what is still to come."""
        parts = (self._part(source, file) for file in missing)
        needed = total_size(missing) - sum(part.stat().st_size for part in parts if part.exists())
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if missing and needed + _MARGIN > free:
            raise ModelUnavailable(
                f"The weights of {name} need {needed / 1e9:.2f} GB more, and the disk of {self._folder} has "
                f"{free / 1e9:.2f} GB free: make room, or set TRIPTYCH_CACHE_DIR."
            )

    def _known(self, source: Source, commit: str) -> list[HubFile] | None:
        try:
            return decode_listing(self._listing(source, commit).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _repository(self, source: Source) -> Path:
        return self._folder / f"models--{repository(source).replace('/', '--')}"

    def _listing(self, source: Source, commit: str) -> Path:
        return self._repository(source) / "listings" / f"{commit}.json"

    def _part(self, source: Source, file: HubFile) -> Path:
        return self._repository(source) / "parts" / file.digest


class _Counted:
    """A file that reports how many bytes were written, and taken back by `truncate`."""

    def __init__(self, file: BinaryIO, progress: Downloaded) -> None:
        self._file = file
        self._progress = progress
        self.seek, self.tell = file.seek, file.tell

    def write(self, data: bytes) -> int:
        written = self._file.write(data)
        self._progress(written)
        return written

    def truncate(self) -> int:
        place = self._file.tell()
        self._progress(place - self._file.seek(0, 2))
        return self._file.truncate(self._file.seek(place))


def pinned_commit(name: str, source: Source) -> str:
    """Return the commit of an entry. Raises ModelUnavailable if it names a branch, or nothing."""
    if not source.is_pinned:
        raise ModelUnavailable(f"The model {name} is not pinned: run `triptych models pin {name}`.")
    return source.revision or ""


def hub_digest(spec: ModelSpec) -> str:
    """Return what stands for the weights in recipes: the digest of hub id and commit. Raises ModelUnavailable."""
    commit = pinned_commit(spec.name, spec.source)
    return hashlib.sha256(f"{spec.source.hub}@{commit}".encode()).hexdigest()


@contextmanager
def _locked(path: Path) -> Generator[None]:
    """Hold the lock of a file, so that one process at a time writes it."""
    lock = path.with_name(f".{path.name}.lock")
    with lock.open("w") as held:
        flock(held, LOCK_EX)
        yield


def _ignore(_amount: int) -> None:
    """Report nothing."""
