"""The texts that a model is trained on from nothing: those of a dataset outside its test split, and those of files."""

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from media.errors import ItemError
from media.plain_text import decode_text
from modalities.answering.sentences import split_sentences
from storage.atomic_files import atomic_write
from training.datasets.folder import DATASET, read_folder
from training.datasets.manifest import key_of_text
from training.datasets.rows import parse_table
from training.optimization import CHECKPOINT
from training.pipeline import LOSSES, DataMissing

Document = list[str]
"""The sentences of a text, in order."""
ItemT = TypeVar("ItemT")
_CORPUS = "corpus.json"
_TEXTS = (".txt", ".md")
_TABLES = (".csv", ".tsv")
_LEAST = 20


def read_documents(dataset: Path | None, data: Path | None) -> list[Document]:
    """Read the texts of a dataset folder and of a file or folder, each text once. Raises DataMissing if they are few.

    The test split of the dataset is left out, also where its texts stand in the files: it stays unseen.
    """
    items = read_folder(dataset).items if dataset else ()
    tested = {key_of_text(text) for item in items if item.split == "test" for text in (item.text, item.second)}
    given = [text for item in items for text in (item.text, item.second)]
    found: dict[str, Document] = {}
    for text in chain(given, _texts(data) if data else ()):
        if (key := key_of_text(text)) not in tested:
            found.setdefault(key, split_sentences(text))
    documents = [found[key] for key in sorted(found) if found[key]]
    if len(documents) < _LEAST:
        raise DataMissing(
            f"There are {len(documents)} texts to pretrain on, and {_LEAST} are the least: give --dataset NAME with "
            "texts, or --data FOLDER with .txt files (empty lines between texts) or tables with a column `text`."
        )
    return documents


def documents_of(work: Path, data: Path | None) -> list[Document]:
    """The texts of the dataset in a work folder, if there is one, and of a file or folder. Raises DataMissing."""
    return read_documents(work / DATASET if (work / DATASET).exists() else None, data)


def held_apart(items: Sequence[ItemT], share: float) -> tuple[list[ItemT], Sequence[ItemT]]:
    """The items to train on, and those that are held out: about so large a share of them."""
    every = max(2, round(1 / share))
    return [item for number, item in enumerate(items) if number % every], items[::every]


def begins_again(work: Path, settings: Mapping[str, Any]) -> bool:
    """Whether nothing was prepared with these settings; what was begun with others is forgotten."""
    corpus = work / _CORPUS
    if corpus.exists() and json.loads(corpus.read_text(encoding="utf-8")) == settings:
        return False
    for name in (_CORPUS, CHECKPOINT, LOSSES):
        (work / name).unlink(missing_ok=True)
    return True


def note_prepared(work: Path, settings: Mapping[str, Any]) -> None:
    """Note that the texts are prepared with these settings, whose `digest` is that of the texts."""
    with atomic_write(work / _CORPUS) as unfinished:
        unfinished.write_text(json.dumps(settings), encoding="utf-8")


def source_of(work: Path) -> str:
    """NAME@DIGEST of the dataset, or the digest of the texts if there were others."""
    if (work / DATASET).exists():
        facts = read_folder(work / DATASET).facts
        return f"{facts.name}@{facts.digest}"
    return f"files@{json.loads((work / _CORPUS).read_text(encoding='utf-8'))['digest']}"


def digest_of(documents: Sequence[Document]) -> str:
    """The sha256 of the texts."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update("\n".join([*document, "", ""]).encode(errors="replace"))
    return digest.hexdigest()


def _texts(data: Path) -> Iterator[str]:
    """The texts of .txt and .md files, divided by empty lines, and of tables. Raises DataMissing."""
    if not data.exists():
        raise DataMissing(f"There is no file or folder {data}.")
    paths = [data] if data.is_file() else sorted(path for path in data.rglob("*") if path.is_file())
    for path in paths:
        name = path.name.removesuffix(".gz")
        if not name.endswith((*_TEXTS, *_TABLES)):
            continue
        text = _read(path)
        if name.endswith(_TABLES):
            yield from (f"{row.item.text}\n\n{row.item.second}".strip() for row in parse_table(text, name))
        else:
            yield from (each.strip() for each in text.replace("\r\n", "\n").split("\n\n") if each.strip())


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
        return decode_text(gzip.decompress(content) if path.suffix == ".gz" else content)[0]
    except (OSError, EOFError, ItemError) as error:
        raise DataMissing(f"{path.name} cannot be read: {error}") from error
