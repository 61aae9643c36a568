"""Select the weight files of a folder, and compute the digest that identifies them together."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from storage.atomic_files import is_in_the_making

EXCLUDED_SUFFIXES = (".pkl", ".pickle", ".py", ".pyc")
"""Suffixes of files that are never used as weights, because loading them can run code."""


def list_weight_files(folder: Path, patterns: Iterable[str] = ()) -> list[Path]:
    """List the files under `folder` that match the glob patterns (all files without a pattern), sorted by path."""
    matches = [path for pattern in (tuple(patterns) or ("**/*",)) for path in folder.glob(pattern)]
    files = {path for path in matches if path.is_file() and not path.name.endswith(EXCLUDED_SUFFIXES)}
    return sorted(path for path in files if "__pycache__" not in path.parts and not is_in_the_making(path))


def files_digest(paths: Iterable[Path]) -> str:
    """Return the sha256 over the names and sha256 of the files, in the given order. Their folders do not matter."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            total.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
