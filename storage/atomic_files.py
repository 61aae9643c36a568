"""Atomic, durable writes of files and folders: after a crash or a power cut they are complete or absent."""

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

_UNFINISHED, _LOCK = ".unfinished", ".lock"


@contextmanager
def atomic_write(path: Path) -> Generator[Path]:
    """Yield a temporary path to write a file or folder to, which is synced and renamed to `path` at the end.

    An error leaves `path` as it was. For one writer at a time; removes what a killed writer has left.
    """
    unfinished = path.with_name(f"{path.name}{_UNFINISHED}")
    _remove(unfinished)
    try:
        yield unfinished
        fsync_tree(unfinished)
        if path.is_dir():
            shutil.rmtree(path)
        unfinished.replace(path)
        _sync(path.parent)
    finally:
        _remove(unfinished)


def create_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Return `path`, and have `make` write it first if it is missing, in one process at a time (file lock)."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}{_LOCK}")
        with lock.open("w") as held:
            flock(held, LOCK_EX)
            if not path.exists():
                with atomic_write(path) as unfinished:
                    make(unfinished)
            lock.unlink(missing_ok=True)  # no longer needed: `path` exists now
    return path


def is_in_the_making(path: Path) -> bool:
    """Whether a file is a lock or an unfinished file of these functions, which another process may have just now."""
    return path.name.endswith(_UNFINISHED) or (path.name.startswith(".") and path.name.endswith(_LOCK))


def fsync_tree(path: Path) -> None:
    """Flush a file, or a folder and everything in it, to disk."""
    for each in [*path.rglob("*"), path]:
        _sync(each)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
