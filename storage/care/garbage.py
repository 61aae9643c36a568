"""Garbage collection by mark and sweep: blobs that nothing names are marked, and deleted after a grace time."""

import json
import re
from collections.abc import Callable, Iterator, Set
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from storage.bucket import Bucket
from storage.care.inspection import Inventory, check_integrity
from storage.care.mentions import outputs_of
from storage.care.tombstones import FOLDER as REMOVED
from storage.deletion_marks import FOLDER as MARKS
from storage.deletion_marks import DeletionMarks, MarkWithdrawn
from storage.errors import StorageError, StorageRefused
from storage.names import INTERACTIONS, blob_key
from storage.objects import StoredObject

Progress = Callable[[float], None]
_ID = re.compile(rb"\b[0-9a-f]{64}\b")
_IN_USE_ELSEWHERE = "gateway/"
_NOT_IN_USE = ("gateway/feedback/", INTERACTIONS)
"""What people thought of answers and what they opened: it names artifacts, and keeps none of them."""


class GarbageReport(BaseModel):
    """Counts of blobs that nothing names, newly marked (`condemned`), waiting or removed, and of old uploads.

    `answers` counts the answers about blobs that are gone. Sizes are in bytes.
    """

    dry_run: bool
    uploads: int
    condemned: int = 0
    condemned_bytes: int = 0
    waiting: int = 0
    removed: int = 0
    removed_bytes: int = 0
    answers: int = 0

    def __str__(self) -> str:
        would = "would be " if self.dry_run else ""
        answers = f", {self.answers} answers about what is gone" if self.answers else ""
        return (
            f"{self.removed} blobs ({self.removed_bytes / 1e6:.1f} MB){answers} and {self.uploads} old uploads "
            f"{would}removed; "
            f"{self.condemned} more ({self.condemned_bytes / 1e6:.1f} MB) {would}marked for the next pass, "
            f"{self.waiting} marked ones wait for their time."
        )


class UnreadableReferences(StorageError):
    """A record or a recipe that might name a blob cannot be read."""


def mark_and_sweep(
    bucket: Bucket,
    project: str,
    *,
    grace: timedelta,
    delete: bool,
    in_use: Set[str] = frozenset(),
    progress: Progress = lambda _: None,
) -> GarbageReport:
    """Make one pass over a project: mark blobs that nothing names, delete those that were marked `grace` ago.

    Answers about blobs that are gone, such as the vector of a picture that somebody searched with, are deleted too;
    what they name is marked by the next pass.

    `in_use` are the artifacts that running flows work with. Without `delete` nothing is changed. Raises
    UnreadableReferences.
    """
    contents = _readable_contents(bucket, project, progress)
    named = {*_ids_in_documents(contents), *_ids_in_references(bucket, project, delete)} | in_use
    now, marks = datetime.now(UTC), DeletionMarks(bucket, project)
    marked = marks.marked()
    report = GarbageReport(dry_run=not delete, uploads=_remove_old_uploads(bucket, grace, now, delete))
    baseless = list(_answers_about_nothing(contents, named, now - grace))
    report.answers = len(baseless)
    if delete:
        bucket.remove_all([f"{project}/recipes/{key}.json" for key in baseless])
    for sha256 in [*marks.expired(grace), *(set(marked) & named)] if delete else []:
        marks.clear(sha256)
    for blob in list(bucket.objects(f"{project}/blobs/")):
        sha256 = blob.key.rsplit("/", 1)[-1]
        if sha256 in named or not _is_older(blob, grace, now):
            continue
        if sha256 not in marked:
            report.condemned += 1
            report.condemned_bytes += blob.size
            if delete:
                marks.mark(sha256)
        else:
            due = marked[sha256] + grace <= now
            removed = due and (not delete or _sweep(bucket, project, marks, sha256))
            report.waiting += not due
            report.removed += removed
            report.removed_bytes += blob.size * removed
    return report


def _sweep(bucket: Bucket, project: str, marks: DeletionMarks, sha256: str) -> bool:
    """Delete a marked blob under its lease; False when the mark was withdrawn or the artifact has a record by now."""
    try:
        until = marks.begin_sweep(sha256)
    except MarkWithdrawn:
        return False
    recorded = bucket.stat(f"{project}/artifacts/{sha256}.json") is not None
    is_gone = not recorded and datetime.now(UTC) < until
    if is_gone:
        bucket.remove(blob_key(project, sha256))
    marks.clear(sha256)
    return is_gone


def _readable_contents(bucket: Bucket, project: str, progress: Progress) -> Inventory:
    """The contents of a project. Raises UnreadableReferences if a record, recipe or reference cannot be read."""
    contents, problems = check_integrity(bucket, project, quick=True, progress=progress)
    unreadable = [problem for problem in problems if problem.kind.startswith("broken")]
    if unreadable:
        raise UnreadableReferences(
            f"{unreadable[0].sentence} What it names is not known, so nothing is removed: "
            "run `triptych verify --repair` first."
        )
    return contents


def _answers_about_nothing(contents: Inventory, named: Set[str], until: datetime) -> Iterator[str]:
    """The keys of answers from before `until` about blobs that are gone and that nothing names.

    Answers that made an artifact are left out: its record names them.
    """
    producers = {record.producer for record in contents.records.values()}
    for key, answer in contents.recipes.items():
        gone = set(answer.recipe.inputs) - contents.blobs.keys() - named
        if gone and key not in producers and answer.created <= until:
            yield key


def _ids_in_documents(contents: Inventory) -> Iterator[str]:
    for record in contents.records.values():
        yield record.artifact.sha256
        yield from record.parents
    for recipe in contents.recipes.values():
        yield from outputs_of(recipe)


def _ids_in_references(bucket: Bucket, project: str, delete: bool) -> Iterator[str]:
    refs = f"{project}/refs/"
    for found in (*bucket.objects(refs), *bucket.objects(_IN_USE_ELSEWHERE)):
        if found.key.startswith((f"{refs}{MARKS}/", f"{refs}{REMOVED}/", *_NOT_IN_USE)):
            continue
        try:
            yield from (match.decode() for match in _ID.findall(bucket.get(found.key)))
        except StorageRefused:
            if delete:
                raise
            # Workers may neither read the gateway's objects nor delete: in their dry run the count can be too high.


def _remove_old_uploads(bucket: Bucket, grace: timedelta, now: datetime, delete: bool) -> int:
    old = [found.key for found in bucket.objects("tmp/") if _is_older(found, grace, now)]
    if delete and old:
        bucket.remove_all(old)
    return len(old)


def _is_older(found: StoredObject, grace: timedelta, now: datetime) -> bool:
    return found.modified is not None and found.modified + grace <= now


def artifact_ids_in(document: object) -> set[str]:
    """Every artifact id in a JSON-able document."""
    return {match.decode() for match in _ID.findall(json.dumps(document, default=str).encode())}
