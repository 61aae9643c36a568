"""The manifest of a dataset: its items with labels, each in a split that the hash of its content decides.

A manifest is immutable and named by the sha256 of its canonical JSON. Texts of rows stand in it; artifacts are named by
their ids, so that what is removed from the project is gone from every dataset, too.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from storage.artifacts import Sha256
from storage.recipes import canonical_json
from training.pipeline import TrainingError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Kind = Literal["texts", "pictures", "pairs"]
_VALIDATION, _TEST = 0.1, 0.2
"""The shares of the items in the two splits that nothing is trained on."""


class InvalidDataset(TrainingError):
    """What is given cannot be a dataset; the message names the file, column or label."""


class Item(BaseModel):
    """One example: a stored artifact, a text, or a pair of texts. Semi-supervised recipes use those without a label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact: Sha256 | None = None
    text: str = ""
    second: str = ""
    """The other text of a pair."""
    label: str | None = None
    split: Split = "train"
    language: str = ""
    source: str = ""
    """Where the label comes from: a file, `labels`, `reviews`, or what the file says."""

    @property
    def key(self) -> str:
        """What identifies the content: the artifact's id, or the sha256 of the text without case and spacing."""
        return self.artifact or key_of_text(self.text, self.second)


class Manifest(BaseModel):
    """The items of one version of a dataset, in the order of their keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    items: tuple[Item, ...]
    licence: str = ""
    masked: bool = False
    """Whether personal data is masked in the texts of artifacts when they are read; those of rows are masked here."""

    def encode(self) -> bytes:
        """The canonical JSON, whose sha256 names the version."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def labels(self) -> list[str]:
        """The labels of the items, sorted."""
        return sorted({item.label for item in self.items if item.label is not None})

    def counts(self) -> dict[str, dict[str, int]]:
        """How many items each split has, by label; those without a label under an empty name."""
        return {
            split: dict(sorted(Counter(item.label or "" for item in self.items if item.split == split).items()))
            for split in SPLITS
        }


class Collected(BaseModel):
    """A manifest, and what was left out on the way: ids or shortened texts, by the reason."""

    manifest: Manifest
    left_out: dict[str, list[str]] = {}


def key_of_text(text: str, second: str = "") -> str:
    """The sha256 of texts that are equal but for case, spacing and Unicode form."""
    plain = "\0".join(" ".join(unicodedata.normalize("NFKC", each).casefold().split()) for each in (text, second))
    return hashlib.sha256(plain.encode(errors="replace")).hexdigest()


def split_of(key: str) -> Split:
    """The split of an item: decided by its key alone, so that it is the same in every version of every dataset."""
    place = int(hashlib.sha256(f"split:{key}".encode()).hexdigest()[:8], 16) / 2**32
    if place < _TEST:
        return "test"
    return "validation" if place < _TEST + _VALIDATION else "train"


def collect(
    kind: Kind, items: Iterable[tuple[Item, Split | None]], *, licence: str = "", masked: bool = False
) -> Collected:
    """Build a manifest from items, each with the split that its file says, if any.

    Equal items are one. An item with several labels is left out: which one is right is not known. One that is in the
    test split and in another stays in the test split alone. Raises InvalidDataset for fewer than two items.
    """
    by_key: dict[str, list[tuple[Item, Split | None]]] = {}
    for item, given in items:
        by_key.setdefault(item.key, []).append((item, given))
    kept: list[Item] = []
    left_out: dict[str, list[str]] = {}
    for key in sorted(by_key):
        same = by_key[key]
        first = next((item for item, _ in same if item.label is not None), same[0][0])
        if len({item.label for item, _ in same if item.label is not None}) > 1:
            left_out.setdefault("several labels", []).append(short(first))
            continue
        repeated = len(same) - 1
        if repeated:
            left_out.setdefault("repeated", []).extend([short(first)] * repeated)
        kept.append(first.model_copy(update={"split": _split(key, [given for _, given in same if given])}))
    if len(kept) < 2:
        raise InvalidDataset(
            f"A dataset needs two items or more: there {'is 1' if kept else 'are none'}"
            f"{f', {len(by_key) - len(kept)} were left out because they have several labels' if left_out else ''}."
        )
    return Collected(manifest=Manifest(kind=kind, items=tuple(kept), licence=licence, masked=masked), left_out=left_out)


def short(item: Item) -> str:
    """An item in a few words: its id, or the beginning of its text."""
    return item.artifact[:12] if item.artifact else item.text[:60]


def _split(key: str, given: Sequence[Split]) -> Split:
    if not given:
        return split_of(key)
    return next(split for split in ("test", "validation", "train") if split in given)
