"""Sentence pairs for translation, read from tab-separated files."""

import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.pipeline import DataMissing

_NAME = re.compile(r"^([^.]+).*\.([a-z]{2,3})-([a-z]{2,3})\.tsv(\.gz)?$")


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation; `collection` is the first part of the file's name."""

    source: str
    target: str
    source_language: str
    target_language: str
    collection: str = ""


def read_pairs(folder: Path, sources: Sequence[str], targets: Sequence[str]) -> list[Pair]:
    """Every pair of the wanted directions under `folder`: files named `NAME.xx-yy.tsv` or `.tsv.gz`, one pair a line.

    Raises DataMissing, naming the file, for a line without a tab.
    """
    pairs: list[Pair] = []
    for path in sorted(folder.glob("*.tsv*")):
        found = _NAME.search(path.name)
        if not found:
            continue
        collection, left, right = found.group(1), found.group(2), found.group(3)
        if left in sources and right in targets:
            pairs += [Pair(a, b, left, right, collection) for a, b in _rows(path)]
        elif right in sources and left in targets:
            pairs += [Pair(b, a, right, left, collection) for a, b in _rows(path)]
    if not pairs:
        raise DataMissing(f"{folder} has no sentence pairs for {', '.join(sources)} to {', '.join(targets)}.")
    return pairs


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            fields = line.rstrip("\n").split("\t")
            if len(fields) < 2:
                raise DataMissing(f"Line {number} of {path.name} has no tab between the sentence and its translation.")
            if fields[0].strip() and fields[1].strip():
                yield fields[0].strip(), fields[1].strip()
