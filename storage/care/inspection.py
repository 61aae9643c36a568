"""Integrity check of a project: corrupt blobs, unreadable documents, and references to what is missing.

Every blob is read and hashed; every record, recipe and reference is read, and what it names is looked up. Each fault is
a `Problem`, with a sentence for people and the kind and key for the repair. Nothing is changed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from storage.artifacts import Artifact
from storage.care.mentions import artifacts_in, outputs_of
from storage.care.object_store import ObjectStore
from storage.care.references import read_reference
from storage.errors import ObjectNotFound
from storage.names import blob_key, checked_project
from storage.objects import StoredObject
from storage.recipes import RecipeRecord
from storage.records import ArtifactRecord

ProblemKind = Literal[
    "changed-blob",
    "missing-blob",
    "broken-record",
    "broken-recipe",
    "broken-reference",
    "missing-recipe",
    "missing-parent",
    "missing-record",
    "wrong-row",
    "wrong-parts",
]
Progress = Callable[[float], None]
_THREADS = 4
_CHUNK = 1024 * 1024
ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")


class Problem(BaseModel):
    """A fault; `subject` is the id of the artifact, the key of the recipe or the name of the reference."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ProblemKind
    key: str
    subject: str
    sentence: str


@dataclass
class Inventory:
    """The contents of a project: sizes of blobs in bytes by sha256, and its readable records and recipes."""

    blobs: dict[str, int] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    records: dict[str, ArtifactRecord] = field(default_factory=dict)
    recipes: dict[str, RecipeRecord] = field(default_factory=dict)
    named: list[tuple[str, Artifact]] = field(default_factory=list)
    """The artifacts that references hold, such as the manifests of datasets, each with the name of its reference."""
    broken: set[str] = field(default_factory=set)
    """The keys of records, recipes and references that cannot be read."""

    def whole(self, sha256: str) -> bool:
        """Whether the blob exists and its bytes have their hash."""
        return sha256 in self.blobs and sha256 not in self.changed


def check_integrity(
    bucket: ObjectStore, project: str, *, quick: bool = False, progress: Progress = lambda _: None
) -> tuple[Inventory, list[Problem]]:
    """Check everything in a project. `quick` checks that blobs exist, and does not read them."""
    checked_project(project)
    contents = Inventory()
    problems = list(_check_blobs(bucket, project, contents, quick, progress))
    problems += _check_documents(bucket, project, contents)
    _add_new_check_blobs(bucket, project, contents)
    problems += _missing_blobs(project, contents)
    problems += _missing_documents(project, contents)
    return contents, problems


def _check_blobs(
    bucket: ObjectStore, project: str, contents: Inventory, quick: bool, progress: Progress
) -> Iterator[Problem]:
    found = list(bucket.objects(f"{project}/blobs/"))
    contents.blobs = {_name(blob.key): blob.size for blob in found}
    total, done = sum(blob.size for blob in found) or 1, 0
    hashes = _map_in_threads(lambda blob: (blob, _hash(bucket, blob.key)), [] if quick else found)
    for blob, digest in hashes:
        done += blob.size
        progress(done / total)
        sha256 = _name(blob.key)
        if digest is None:
            del contents.blobs[sha256]  # it was removed in the meantime
        elif digest != sha256:
            contents.changed.add(sha256)
            yield Problem(
                kind="changed-blob",
                key=blob.key,
                subject=sha256,
                sentence=f"The bytes of artifact {sha256} have changed: their hash is {digest}.",
            )


def _check_documents(bucket: ObjectStore, project: str, contents: Inventory) -> Iterator[Problem]:
    for found, data in _read_all(bucket, f"{project}/artifacts/"):
        record = _parse_record(project, _name(found.key), data)
        if record is None:
            contents.broken.add(found.key)
            yield _broken("broken-record", found.key, f"The record of artifact {_name(found.key)} cannot be read.")
        else:
            contents.records[_name(found.key)] = record
    for found, data in _read_all(bucket, f"{project}/recipes/"):
        recipe = _parse_recipe(_name(found.key), data)
        if recipe is None:
            contents.broken.add(found.key)
            yield _broken("broken-recipe", found.key, f"The recipe {_name(found.key)} cannot be read.")
        else:
            contents.recipes[_name(found.key)] = recipe
    for found, data in _read_all(bucket, f"{project}/refs/"):
        name = found.key.removeprefix(f"{project}/refs/").removesuffix(".json")
        value = read_reference(name, data)
        contents.named += [(name, artifact) for artifact in artifacts_in(value)]
        if value is None:
            contents.broken.add(found.key)
            sentence = f"The reference {name} cannot be read."
            yield Problem(kind="broken-reference", key=found.key, subject=name, sentence=sentence)


def _add_new_check_blobs(bucket: ObjectStore, project: str, contents: Inventory) -> None:
    """Add blobs that were written while the documents were read."""
    named = {sha256 for recipe in contents.recipes.values() for sha256 in outputs_of(recipe)}
    named |= {artifact.sha256 for _, artifact in contents.named}
    named |= {one for record in contents.records.values() for one in (record.artifact.sha256, *record.parents)}
    for sha256 in named - contents.blobs.keys():
        key = blob_key(project, sha256)
        for found in bucket.objects(key):
            contents.blobs[sha256] = found.size


def _missing_blobs(project: str, contents: Inventory) -> Iterator[Problem]:
    """One problem per missing blob, with what names it; and records whose size is wrong."""
    named: defaultdict[str, list[str]] = defaultdict(list)
    for sha256, record in contents.records.items():
        named[sha256].append(f"the record of {record.name}")
        if contents.blobs.get(sha256, record.artifact.size) != record.artifact.size and contents.whole(sha256):
            yield Problem(
                kind="broken-record",
                key=f"{project}/artifacts/{sha256}.json",
                subject=sha256,
                sentence=f"The record of {record.name} tells {record.artifact.size} bytes, "
                f"and there are {contents.blobs[sha256]}.",
            )
    for key, recipe in contents.recipes.items():
        for sha256 in outputs_of(recipe):
            named[sha256].append(f"the answer of recipe {key}")
    for reference, artifact in contents.named:
        named[artifact.sha256].append(f"the reference {reference}")
    for sha256, by in named.items():
        if sha256 not in contents.blobs:
            needed = f"{by[0]} and {len(by) - 1} more need" if len(by) > 1 else f"{by[0]} needs"
            yield Problem(
                kind="missing-blob",
                key=blob_key(project, sha256),
                subject=sha256,
                sentence=f"The bytes of artifact {sha256} are missing: {needed} them.",
            )


def _missing_documents(project: str, contents: Inventory) -> Iterator[Problem]:
    for sha256, record in contents.records.items():
        key = f"{project}/artifacts/{sha256}.json"
        producer = record.producer
        broken = f"{project}/recipes/{producer}.json" in contents.broken
        if producer and producer not in contents.recipes and not broken:
            sentence = f"The recipe {producer} that made {record.name} is missing."
            yield Problem(kind="missing-recipe", key=key, subject=producer, sentence=sentence)
        for parent in record.parents:
            if parent not in contents.records and parent not in contents.blobs:
                sentence = f"The artifact {parent} that {record.name} was made from is missing."
                yield Problem(kind="missing-parent", key=key, subject=parent, sentence=sentence)


def _parse_record(project: str, sha256: str, data: bytes) -> ArtifactRecord | None:
    try:
        record = ArtifactRecord.model_validate_json(data)
    except ValidationError:
        return None
    return record if (record.project, record.artifact.sha256) == (project, sha256) else None


def _parse_recipe(key: str, data: bytes) -> RecipeRecord | None:
    try:
        record = RecipeRecord.model_validate_json(data)
    except ValidationError:
        return None
    return record if record.recipe.key == key else None


def _read_all(bucket: ObjectStore, prefix: str) -> Iterator[tuple[StoredObject, bytes]]:
    def read(found: StoredObject) -> tuple[StoredObject, bytes] | None:
        try:
            return found, bucket.get(found.key)
        except ObjectNotFound:
            return None  # it was removed in the meantime

    yield from (item for item in _map_in_threads(read, list(bucket.objects(prefix))) if item)


def _hash(bucket: ObjectStore, key: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with bucket.open(key) as stream:
            for chunk in iter(lambda: stream.read(_CHUNK), b""):
                digest.update(chunk)
    except ObjectNotFound:
        return None
    return digest.hexdigest()


def _map_in_threads(work: Callable[[ItemT], FoundT], items: Sequence[ItemT]) -> Iterable[FoundT]:
    with ThreadPoolExecutor(_THREADS) as threads:
        yield from threads.map(work, items)


def _name(key: str) -> str:
    return key.rsplit("/", 1)[-1].removesuffix(".json")


def _broken(kind: ProblemKind, key: str, sentence: str) -> Problem:
    return Problem(kind=kind, key=key, subject=_name(key), sentence=sentence)
