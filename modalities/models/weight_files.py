"""The files of a model's weights: which of a folder's files count, and the digest that names them together."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

NEVER = (".pkl", ".pickle", ".py", ".pyc")
"""Endings of files that are never weights: they can run code."""


def matching(folder: Path, patterns: Iterable[str] = ()) -> list[Path]:
    """The files under `folder` that the glob patterns name (all of them if there is no pattern), in order."""
    chosen = [path for pattern in (tuple(patterns) or ("**/*",)) for path in folder.glob(pattern)]
    wanted = {path for path in chosen if path.is_file() and not path.name.endswith(NEVER)}
    return sorted(path for path in wanted if "__pycache__" not in path.parts)


def digest_of(paths: Iterable[Path]) -> str:
    """sha256 over the names and sha256 of the files, in the order given: where they lie does not matter."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
