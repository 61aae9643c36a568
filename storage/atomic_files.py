"""Files and folders that are there whole or not at all, whoever is killed, and when the power goes."""

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Generator[Path]:
    """Where to write a file or a folder that takes its place at `path` once all of it is on disk, and not before.

    For one writer at a time; what a killed one left is removed by the next.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
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
    """`path`, which `make` writes first if nothing is there; of processes that ask at the same time one makes it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock")
        with lock.open("w") as held:
            flock(held, LOCK_EX)
            if not path.exists():
                with atomic_write(path) as unfinished:
                    make(unfinished)
            lock.unlink(missing_ok=True)  # whoever comes now finds `path`
    return path


def fsync_tree(path: Path) -> None:
    """Wait until a file, or a folder and all in it, would survive a power cut."""
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
