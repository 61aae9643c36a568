"""Read the rows of a table: texts, pairs of texts or paths of pictures, with labels, as CSV or TSV.

Columns are found by their names. A file called NAME.test.csv, NAME.validation.csv or NAME.train.csv says the split of
its rows; a column `split` says it, too. Without either, the hash of the content decides.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from media.errors import ItemError
from media.plain_text import decode_text
from training.datasets.manifest import SPLITS, InvalidDataset, Item, Split

_COLUMNS = {
    "text": ("text", "sentence", "utterance", "review", "comment", "content", "message", "question", "title"),
    "second": ("second", "text2", "text_b", "sentence2", "answer"),
    "picture": ("picture", "image", "path", "file", "filename"),
    "label": ("label", "category", "class", "intent", "sentiment", "rating", "score", "stars"),
    "split": ("split",),
    "language": ("language", "lang"),
    "source": ("source",),
}
_SPLITS: dict[str, Split] = {"dev": "validation", "valid": "validation", "val": "validation", "eval": "test"}
_DELIMITERS = ",;\t|"
_LONGEST_LABEL = 64


@dataclass(frozen=True)
class Row:
    """A row: an item, the split that the file says, and the path of its picture, if it is one."""

    item: Item
    split: Split | None
    picture: Path | None = None


def read_table(path: Path) -> list[Row]:
    """Read a table with a header. Raises InvalidDataset that names the file and what is wrong in it."""
    try:
        text, _ = decode_text(path.read_bytes())
    except (OSError, ItemError) as error:
        raise InvalidDataset(f"{path.name} cannot be read: {error}") from error
    return parse_table(text, path.name, path.parent)


def parse_table(text: str, name: str, folder: Path | None = None) -> list[Row]:
    """Parse the text of a table; the paths of pictures start at `folder`. Raises InvalidDataset."""
    header, _, _ = text.lstrip("\n\r").partition("\n")
    delimiter = max(_DELIMITERS, key=header.count)
    csv.field_size_limit(10_000_000)
    try:
        reader = csv.DictReader(io.StringIO(text.lstrip("\n\r"), newline=""), delimiter=delimiter, strict=True)
        columns = _columns(reader.fieldnames or (), name)
        split = _split_in_name(name)
        return [row for row in _rows(reader, columns, name, split, folder) if row]
    except csv.Error as error:
        raise InvalidDataset(f"{name} is no table: {error}. Save it as CSV with quotes around texts.") from error


def _columns(names: Sequence[str], file: str) -> dict[str, str]:
    """The column of each field. Raises InvalidDataset if there is none with texts or pictures."""
    by_name = {name.strip().casefold(): name for name in names if name}
    found = {
        field: by_name[alias] for field, aliases in _COLUMNS.items() for alias in reversed(aliases) if alias in by_name
    }
    if "text" not in found and "picture" not in found:
        listed = ", ".join(name for name in names if name) or "none"
        raise InvalidDataset(
            f"{file} has no column of texts or pictures (its columns: {listed[:200]}): "
            "name one `text` or `picture`, and the one of labels `label`, in the first line."
        )
    return found


def _rows(
    reader: "csv.DictReader[str]", columns: Mapping[str, str], file: str, split: Split | None, folder: Path | None
) -> Iterator[Row | None]:
    for number, row in enumerate(reader, 2):
        values = {field: (row.get(column) or "").strip() for field, column in columns.items()}
        if len(values.get("label", "")) > _LONGEST_LABEL:
            raise InvalidDataset(
                f"{file}, row {number}: the label {values['label'][:40]!r} is longer than {_LONGEST_LABEL} "
                "characters: is that the column of texts?"
            )
        yield _row(values, file, number, split, folder)


def _row(values: Mapping[str, str], file: str, number: int, split: Split | None, folder: Path | None) -> Row | None:
    text, picture = values.get("text", ""), values.get("picture", "")
    is_picture = bool(picture) and not text
    if not text and not is_picture:
        return None
    item = Item(
        text="" if is_picture else text,
        second=values.get("second", ""),
        label=values.get("label") or None,
        language=values.get("language", ""),
        source=values.get("source") or file,
    )
    given = _split(values["split"], file, number) if values.get("split") else split
    return Row(item, given, (folder or Path()) / picture if is_picture else None)


def _split(word: str, file: str, number: int) -> Split:
    named = word.casefold()
    found = _SPLITS.get(named, named)
    if found not in SPLITS:
        raise InvalidDataset(f"{file}, row {number}: the split {word[:40]!r} is none of {', '.join(SPLITS)}.")
    return found


def _split_in_name(name: str) -> Split | None:
    parts = name.casefold().split(".")
    named = parts[-2] if len(parts) > 2 else ""
    found = _SPLITS.get(named, named)
    return found if found in SPLITS else None
