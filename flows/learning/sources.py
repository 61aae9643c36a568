"""Where the items of a dataset come from: labels, reviews and collections of the project, tables, and folders."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from flows.ingest import store_file
from flows.library.classification.predictions import AUTO, Prediction, confirmed_label, predictions_of_many
from flows.review_images import REJECTED, SELECTED
from flows.running.platform import Space
from media.errors import ItemError
from media.plain_text import read_text
from storage.errors import TooLarge
from storage.labels import HOLD, TRASH, checked_label
from storage.records import ArtifactRecord
from training.datasets.manifest import InvalidDataset, Item, Kind, Split
from training.datasets.rows import Row

Source = tuple[Kind, list[tuple[Item, Split | None]]]
"""The kind of the items, and each item with the split that its file says, if any."""
_PLATFORM = frozenset({HOLD, TRASH, SELECTED, REJECTED, "duplicate"})
"""Labels that say nothing about what an artifact is; they are classes only if they are named."""
_TEXT_ENDINGS = (".txt", ".md")
_KINDS: dict[str, Kind] = {"image": "pictures", "text": "texts"}


def items_from_labels(
    space: Space, classes: Sequence[str], *, unlabelled: bool = False, source: str = "labels"
) -> Source:
    """The pictures or texts that have one of the labels `classes`; without `classes`, any label that people gave.

    `unlabelled` adds the others of that kind, for semi-supervised learning. Raises InvalidDataset.
    """
    records, _ = space.records.read_all()
    return items_of_records(space, records, classes, unlabelled=unlabelled, source=source)


def items_from_reviews(space: Space, *, unlabelled: bool = False) -> Source:
    """The pictures that reviews selected and rejected."""
    return items_from_labels(space, [SELECTED, REJECTED], unlabelled=unlabelled, source="reviews")


def items_from_collections(space: Space, names: Sequence[str], classes: Sequence[str]) -> Source:
    """The artifacts of collections. Of one, by their labels; of several, the name of each is the label.

    Raises InvalidDataset for a name that no collection has.
    """
    found = {name: _collection(space, name) for name in names}
    records = {record.artifact.sha256: record for record in space.records.read_all()[0]}
    if len(names) == 1:
        members = [records[sha256] for sha256 in found[names[0]] if sha256 in records]
        return items_of_records(space, members, classes, source=f"collection {names[0]}")
    labelled = [(records[sha256], name) for name, ids in found.items() for sha256 in ids if sha256 in records]
    kind = _kind([record for record, _ in labelled])
    return kind, [
        (_item(record, checked_label(name.replace(",", " ")), f"collection {name}"), None)
        for record, name in labelled
        if _KINDS.get(record.kind) == kind
    ]


def items_of_records(
    space: Space, records: Sequence[ArtifactRecord], classes: Sequence[str], *, unlabelled: bool = False, source: str
) -> Source:
    """The items of artifacts by their labels; what is in the trash is none."""
    labels, _ = space.labels.of_many(records)
    usable = [r for r in records if r.kind in _KINDS and TRASH not in labels.get(r.artifact.sha256, (TRASH,))]
    known = list(classes) or sorted({label for r in usable for label in labels[r.artifact.sha256] if _is_class(label)})
    predicted = predictions_of_many(space, [record.artifact.sha256 for record in usable])
    words = {r.artifact.sha256: _classes_of(labels[r.artifact.sha256], known, predicted, r) for r in usable}
    labelled = [r for r in usable if words[r.artifact.sha256]]
    if not labelled:
        wanted = f"of {', '.join(known)}" if classes else "that people gave"
        raise InvalidDataset(
            f"Nothing in project {space.project} has a label {wanted}: "
            "put labels on pictures or texts first (`triptych label`, or the gallery)."
        )
    kind = _kind(labelled)
    items: list[tuple[Item, Split | None]] = []
    for record in usable:
        if _KINDS[record.kind] == kind:
            classes_of: list[str | None] = [*words[record.artifact.sha256]]
            items += [(_item(record, word, source), None) for word in classes_of or ([None] if unlabelled else [])]
    return kind, items


def items_from_rows(space: Space, rows: Iterable[Row]) -> Source:
    """The items of a table; pictures are stored in the project first. Raises InvalidDataset."""
    listed = list(rows)
    pictures = [row for row in listed if row.picture]
    if pictures and len(pictures) < len(listed):
        raise InvalidDataset("Some rows have texts and some have pictures: make one table of each.")
    if pictures:
        return "pictures", [
            (_stored_picture(space, row.picture, row.item.label, row.item.source), row.split)
            for row in pictures
            if row.picture
        ]
    kind: Kind = "pairs" if any(row.item.second for row in listed) else "texts"
    return kind, [(row.item, row.split) for row in listed]


def items_from_folder(space: Space, folder: Path) -> Source:
    """The files of a folder with one folder for each class: texts become rows, pictures are stored in the project.

    Raises InvalidDataset.
    """
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    files = [(path, inner.name) for inner in classes for path in _files(inner)]
    if not files:
        raise InvalidDataset(
            f"{folder} has no folders with files: make one folder for each label, and put its files in."
        )
    texts = [(path, label) for path, label in files if path.suffix.lower() in _TEXT_ENDINGS]
    if texts and len(texts) < len(files):
        raise InvalidDataset(f"{folder} has texts and other files: make one folder of each.")
    name = folder.name
    if texts:
        return "texts", [
            (Item(text=_text(path), label=checked_label(label), source=name), None) for path, label in texts
        ]
    return "pictures", [(_stored_picture(space, path, checked_label(label), name), None) for path, label in files]


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _text(path: Path) -> str:
    try:
        return read_text(path).strip()
    except ItemError as error:
        raise InvalidDataset(f"{path.name} cannot be read: {error}") from error


def _stored_picture(space: Space, path: Path, label: str | None, source: str) -> Item:
    """Store and record a picture; it is not indexed, so that searches do not find what is only for training."""
    if not path.is_file():
        raise InvalidDataset(f"There is no file {path}: paths of pictures start at the folder of the table.")
    try:
        record, _ = store_file(space, path, path.name, (label,) if label else (), told={"findable": False})
    except (ItemError, TooLarge) as error:
        raise InvalidDataset(f"{path.name} cannot be read: {error}") from error
    if record.kind != "image":
        raise InvalidDataset(f"{path.name} is no picture: a dataset has pictures or texts, not both.")
    return _item(record, label, source)


def _item(record: ArtifactRecord, label: str | None, source: str) -> Item:
    language = str(record.properties.get("language", ""))
    return Item(artifact=record.artifact.sha256, label=label, language=language, source=source)


def _kind(records: Sequence[ArtifactRecord]) -> Kind:
    """Pictures or texts: whichever more of the artifacts are. Raises InvalidDataset if none is either."""
    kinds = [_KINDS[record.kind] for record in records if record.kind in _KINDS]
    if not kinds:
        raise InvalidDataset("There are no pictures or texts among these.")
    return "texts" if kinds.count("texts") > kinds.count("pictures") else "pictures"


def _classes_of(
    labels: Sequence[str], known: Sequence[str], predicted: Mapping[str, dict[str, Prediction]], record: ArtifactRecord
) -> list[str]:
    """The classes that people say an artifact is of; several are a contradiction, which `collect` leaves out."""
    one = confirmed_label(labels, known, predicted.get(record.artifact.sha256, {}))
    return [one] if one else [label for label in known if label in labels]


def _is_class(label: str) -> bool:
    return label not in _PLATFORM and not label.startswith(AUTO)


def _collection(space: Space, name: str) -> list[str]:
    """The artifact ids of a collection, which the gallery keeps as a reference."""
    values = [space.refs.get(each) or {} for each in space.refs.names("collections")]
    named = {str(value.get("name", "")): value for value in values if not value.get("forgotten")}
    for known, value in named.items():
        if known.casefold() == name.casefold():
            return [str(sha256) for sha256 in value.get("artifacts", [])]
    raise InvalidDataset(f"There is no collection {name}: there are {', '.join(sorted(named)) or 'none'}.")
