"""Make versions of datasets, and bring one to this machine as the folder that recipes train on."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from flows.learning.sources import Source, items_from_collections, items_from_labels, items_from_reviews
from flows.learning.text_vectors import encode_texts
from flows.library.classification.vectors import picture_vectors, text_of
from flows.running.context import RunContext
from flows.running.platform import Space
from storage.labels import TRASH
from storage.records import ArtifactRecord
from training.classification.costs import cpu_seconds
from training.datasets.folder import Dataset, DatasetFacts, write_folder
from training.datasets.manifest import Item, Manifest, Split, collect
from training.datasets.privacy import MASKED, count_personal, mask, masked
from training.datasets.versions import Datasets, DatasetVersion

COLLECTION = "collection:"
_AT_ONCE = 4


class DatasetReport(BaseModel):
    """A version of a dataset as it was made. `left_out` are ids or beginnings of texts, by the reason."""

    name: str
    digest: str
    parent: str | None
    is_new: bool
    kind: str
    size: int
    counts: dict[str, dict[str, int]]
    left_out: dict[str, list[str]]
    personal: dict[str, int]

    def __str__(self) -> str:
        state = (
            f"version {self.digest[:12]}" if self.is_new else f"still version {self.digest[:12]}, nothing has changed"
        )
        gone = "".join(f", {len(items)} left out ({reason})" for reason, items in self.left_out.items())
        found = ", ".join(f"{count} with {kind}" for kind, count in self.personal.items() if kind != MASKED)
        personal = (
            f" Personal data: {found}{'; masked' if MASKED in self.personal else '; --mask masks it'}." if found else ""
        )
        return f"{self.name}: {state} of {self.size} {self.kind}{gone}.{personal}"


def datasets_of(space: Space) -> Datasets:
    """The datasets of a project."""
    return Datasets(space.store, space.refs)


def items_from(space: Space, source: str, classes: Sequence[str], *, unlabelled: bool = False) -> Source:
    """The items of `labels`, `reviews`, or `collection:NAME` (several with a comma). Raises InvalidDataset."""
    if source.startswith(COLLECTION):
        names = [name.strip() for name in source.removeprefix(COLLECTION).split(",")]
        return items_from_collections(space, names, classes)
    if source == "reviews":
        return items_from_reviews(space, unlabelled=unlabelled)
    return items_from_labels(space, classes, unlabelled=unlabelled)


def make_version(
    space: Space, name: str, found: Source, source: str, *, masks: bool = False, licence: str = ""
) -> DatasetReport:
    """Look for personal data, mask it if asked, and store a version. Raises InvalidDataset."""
    kind, given = found
    personal = count_personal(_with_texts(space, kind, [item for item, _ in given]))
    items: list[tuple[Item, Split | None]] = [(masked(item) if masks else item, split) for item, split in given]
    if masks:
        personal |= {MASKED: max(personal.values(), default=0)} if personal else {}
    collected = collect(kind, items, licence=licence, masked=masks)
    version, is_new = datasets_of(space).add(name, collected, source, personal)
    return DatasetReport(
        name=name,
        digest=version.digest,
        parent=version.parent,
        is_new=is_new,
        kind=version.kind,
        size=version.size,
        counts=version.counts,
        left_out=collected.left_out,
        personal=version.personal,
    )


async def fetch_dataset(context: RunContext, name: str, folder: Path, encoder: str = "") -> DatasetFacts:
    """Write a version (NAME or NAME@DIGEST) as a folder, with the texts or vectors of its artifacts.

    Texts get vectors if an encoder is named. An artifact that was removed, or is in the trash, is left out, and
    counted. Raises UnknownDataset.
    """
    space = context.space
    version = await asyncio.to_thread(datasets_of(space).find, name)
    manifest = await asyncio.to_thread(datasets_of(space).read, version)
    items, gone = await asyncio.to_thread(_present, space, manifest)
    facts = _facts(name.partition("@")[0], version, manifest, gone)
    if manifest.kind == "pictures":
        dataset = await _with_vectors(context, facts, items)
    elif encoder:
        dataset = await asyncio.to_thread(encode_texts, context, facts, items, encoder, folder)
    else:
        dataset = Dataset(facts=facts, items=tuple(items))
    await asyncio.to_thread(_write, folder, dataset)
    return dataset.facts


def _write(folder: Path, dataset: Dataset) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():  # left by a training on a folder given as data
        folder.unlink()
    write_folder(folder, dataset)


def _facts(name: str, version: DatasetVersion, manifest: Manifest, gone: int) -> DatasetFacts:
    return DatasetFacts(
        name=name,
        digest=version.digest,
        kind=manifest.kind,
        labels=tuple(manifest.labels),
        licence=manifest.licence,
        gone=gone,
    )


def _present(space: Space, manifest: Manifest) -> tuple[list[Item], int]:
    """The items that are still there, those of text artifacts with their texts; and how many are gone."""
    records, labels = _records(space, manifest.items)
    there = [
        item
        for item in manifest.items
        if not item.artifact or (item.artifact in records and TRASH not in labels[item.artifact])
    ]
    read = _with_texts(space, manifest.kind, there, records)
    kept = [item for item in read if item.text or manifest.kind == "pictures"]
    if manifest.masked:
        kept = [item.model_copy(update={"text": mask(item.text)}) if item.artifact else item for item in kept]
    return kept, len(manifest.items) - len(kept)


def _records(space: Space, items: Sequence[Item]) -> tuple[dict[str, ArtifactRecord], dict[str, tuple[str, ...]]]:
    """The records of the items' artifacts that are there, and the labels that these have now."""
    found = space.records.find_readable(item.artifact for item in items if item.artifact)
    labels, unreadable = space.labels.of_many(found)
    return {r.artifact.sha256: r for r in found if r.artifact.sha256 not in unreadable}, labels


def _with_texts(
    space: Space, kind: str, items: Sequence[Item], records: dict[str, ArtifactRecord] | None = None
) -> list[Item]:
    """The items with the texts of their artifacts; a text that cannot be read is empty."""
    if kind == "pictures" or not any(item.artifact for item in items):
        return list(items)
    known = _records(space, items)[0] if records is None else records

    def read(item: Item) -> Item:
        record = known.get(item.artifact or "")
        return item.model_copy(update={"text": text_of(space, record)}) if record else item

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(read, items))


async def _with_vectors(context: RunContext, facts: DatasetFacts, items: Sequence[Item]) -> Dataset:
    """The pictures that can be embedded, with their vectors: the stored ones, or computed now."""
    space, started = context.space, cpu_seconds()
    ids = [item.artifact or "" for item in items]
    vectors = await picture_vectors(context, [space.records.get(sha256) for sha256 in ids])
    kept = [(item, vectors[sha256]) for item, sha256 in zip(items, ids, strict=True) if sha256 in vectors]
    model = space.profile.pictures
    update = {
        "gone": facts.gone + len(items) - len(kept),
        "space": space.platform.vector_space(model),
        "model": model,
        "cpu_seconds": cpu_seconds() - started,
    }
    rows = np.stack([vector for _, vector in kept]) if kept else np.empty((0, 0), np.float32)
    return Dataset(facts=facts.model_copy(update=update), items=tuple(item for item, _ in kept), vectors=rows)
