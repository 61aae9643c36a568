"""Labels: words by which people sort artifacts.

A record is create-only and holds the labels given at ingest. From the first change on, the reference `labels/<id>`
holds the current labels instead. The database holds a copy of them.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter

from storage.bucket import Bucket
from storage.errors import InvalidName, RecordCorrupt
from storage.records import ArtifactRecord, Records
from storage.refs import Refs

HOLD = "hold"
"""The label that protects an artifact from removal."""
TRASH = "in the trash"
"""The label of artifacts that people deleted: lists and searches leave them out unless they ask for it."""
MOST = 100
"""How many labels an artifact may have."""
_LONGEST = 64
FOLDER = "labels"
SHAPE = TypeAdapter(list[str])
"""The value of a reference `labels/<id>`."""
_AT_ONCE = 4
_FEW, _MANY = 2, 100
_PAGE = 1000
"""How many names a list request returns."""


def checked_label(word: str) -> str:
    """The label in NFC: 1 to 64 printable characters, no comma, no space at the ends. Raises InvalidName."""
    label = unicodedata.normalize("NFC", word)
    if not 1 <= len(label) <= _LONGEST or "," in label or label != label.strip() or not label.isprintable():
        raise InvalidName(
            f"{word[:80]!r} cannot be a label: use 1 to {_LONGEST} letters, digits and signs, "
            "no comma, and no space at the ends."
        )
    return label


def _valid(word: str) -> str:
    try:
        return checked_label(word)
    except InvalidName as error:
        raise ValueError(str(error)) from error


Label = Annotated[str, Field(min_length=1, max_length=_LONGEST), AfterValidator(_valid)]
"""A label as a field of forms and requests."""


class Labels:
    """The current labels of the artifacts of one project."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._records = Records(bucket, project)
        self._refs = Refs(bucket, project)

    def of(self, record: ArtifactRecord) -> tuple[str, ...]:
        """The current labels of an artifact, in the order in which they were added. Raises RecordCorrupt."""
        changed = self._refs.get_as(_name(record.artifact.sha256), SHAPE)
        return record.labels if changed is None else tuple(changed)

    def of_many(self, records: Sequence[ArtifactRecord]) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
        """The current labels of many artifacts, and why those of the others cannot be read, by artifact id."""
        changed = self._changed(len(records))

        def read(record: ArtifactRecord) -> tuple[str, ...] | RecordCorrupt:
            asks = changed is None or _name(record.artifact.sha256) in changed
            try:
                return self.of(record) if asks else record.labels
            except RecordCorrupt as error:
                return error

        ids = [record.artifact.sha256 for record in records]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            found = dict(zip(ids, threads.map(read, records), strict=True))
        labels = {sha256: each for sha256, each in found.items() if not isinstance(each, RecordCorrupt)}
        return labels, {sha256: str(each) for sha256, each in found.items() if isinstance(each, RecordCorrupt)}

    def _changed(self, asked: int) -> set[str] | None:
        """The names of all references to labels; None where so many artifacts are better asked for one by one."""
        if asked <= _FEW:
            return None
        names = self._refs.names(FOLDER)
        if asked > _MANY:
            return set(names)
        first_page = set(islice(names, _PAGE))
        return first_page if len(first_page) < _PAGE else None

    def change(self, sha256: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> tuple[str, ...]:
        """Add and remove labels of an artifact; returns its labels. flows.library.labelling updates the database too.

        Raises ArtifactNotFound, RecordCorrupt, and InvalidName for an invalid label or more than MOST of them.
        """
        added = [checked_label(word) for word in add]
        removed = set(remove)
        record = self._records.get(sha256)

        def changed(now: list[str] | None) -> list[str]:
            kept = [label for label in (record.labels if now is None else now) if label not in removed]
            labels = list(dict.fromkeys([*kept, *added]))
            if len(labels) > MOST:
                raise InvalidName(f"{record.name} would have {len(labels)} labels: at most {MOST} are allowed.")
            return labels

        return tuple(self._refs.update(_name(sha256), changed, SHAPE))

    def forget(self, sha256: str) -> None:
        """Delete the labels of an artifact that was removed."""
        self._refs.remove(_name(sha256))


def _name(sha256: str) -> str:
    return f"{FOLDER}/{sha256}"
