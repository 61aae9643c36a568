"""Verify a project: are its blobs, records and recipes intact, and does the index agree with the bucket?"""

import asyncio
from collections.abc import Sequence
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel, Field

from flows.index.expected_entries import expected_entries
from flows.library.indexing import is_findable
from flows.library.markdown import escaped
from flows.running.context import RunContext
from flows.running.form import Form, project_field
from flows.running.platform import Space
from flows.running.prefect_context import run_as_flow
from storage.care.inspection import Inventory, Problem, check_integrity
from storage.care.tombstones import Tombstones
from storage.errors import StorageError
from storage.index.library import Listed, listed_record
from storage.index.parts import Entry, PartKind
from storage.records import ArtifactRecord

_SHOWN = 200


class Inspection(Form):
    """How thoroughly to inspect a project."""

    quick: bool = Field(
        default=False, title="Quick", description="Look whether every file is there, without reading its bytes again."
    )
    project: str = project_field()


class Finding(BaseModel):
    """A problem, whether it was repaired, and if not why."""

    problem: Problem
    mended: bool = False
    reason: str = ""

    def __str__(self) -> str:
        return self.problem.sentence + (" Mended." if self.mended else f" {self.reason}".rstrip())


class VerifyReport(BaseModel):
    """How many objects were inspected, and every problem."""

    blobs: int
    records: int
    recipes: int
    findings: list[Finding]

    @property
    def open(self) -> int:
        """The number of problems that are not repaired."""
        return sum(not finding.mended for finding in self.findings)

    def __str__(self) -> str:
        inspected = f"{self.blobs} blobs, {self.records} records and {self.recipes} recipes were looked at"
        if not self.findings:
            return f"{inspected}: everything is whole."
        problems = "1 problem" if len(self.findings) == 1 else f"{len(self.findings)} problems"
        return f"{inspected}: {problems}, {len(self.findings) - self.open} mended."


@flow(name="verify")
async def verify(inspection: Inspection | None = None) -> State[Any]:
    """Report whether everything is intact, and change nothing; `triptych verify --repair` repairs."""
    chosen = inspection or Inspection()
    return await run_as_flow(chosen.project, lambda context: verify_project(context, chosen), queue="batch")


async def verify_project(context: RunContext, inspection: Inspection) -> VerifyReport:
    """Report every problem of the project; change nothing."""
    contents, problems = await inspect_project(context, quick=inspection.quick)
    report = report_of(contents, [Finding(problem=problem) for problem in problems])
    lines = [f"- {escaped(str(finding))}" for finding in report.findings[:_SHOWN]]
    await context.show("findings", "\n".join([escaped(str(report)), "", *lines]))
    return report


async def inspect_project(context: RunContext, *, quick: bool) -> tuple[Inventory, list[Problem]]:
    """List what the project contains, and every problem in its bucket and its index."""
    space = context.space
    contents, problems = await asyncio.to_thread(
        check_integrity,
        space.platform.bucket,
        space.project,
        quick=quick,
        progress=lambda done: context.progress(done * 0.8),
    )
    problems += await asyncio.to_thread(_index_problems, space, contents)
    context.progress(1.0)
    return contents, problems


def report_of(contents: Inventory, findings: list[Finding]) -> VerifyReport:
    """Build the report of an inspection."""
    return VerifyReport(
        blobs=len(contents.blobs),
        records=len(contents.records),
        recipes=len(contents.recipes),
        findings=findings,
    )


def _index_problems(space: Space, contents: Inventory) -> list[Problem]:
    """Compare library and index with the bucket, without artifacts whose labels cannot be read."""
    labels, _ = space.labels.of_many(list(contents.records.values()))
    return [*_row_problems(space, contents, labels), *_part_problems(space, contents, labels)]


def _row_problems(space: Space, contents: Inventory, labels: dict[str, tuple[str, ...]]) -> list[Problem]:
    rows = {row.artifact: row for row in space.library.all(space.project)}
    problems = [
        _problem("wrong-row", sha256, f"The list of artifacts differs from the record of {record.name}.")
        for sha256, record in contents.records.items()
        if sha256 in labels and _without_made(rows.get(sha256)) != _without_made(listed_record(record, labels[sha256]))
    ]
    removed = Tombstones(space.platform.bucket, space.project).ids()
    for sha256, row in rows.items():
        # The record may have arrived since the bucket was listed, or be one that cannot be read.
        if sha256 in contents.records or space.records.exists(sha256):
            continue
        if sha256 in contents.blobs and sha256 not in removed:
            problems.append(_problem("missing-record", sha256, f"The record of {row.name} ({sha256}) is missing."))
        else:
            problems.append(_problem("wrong-row", sha256, f"{row.name} is listed, and there is no record of it."))
    return problems


def _without_made(row: Listed | None) -> dict[str, Any] | None:
    """A row to compare: a time without a zone is one of the machine's zone, so `made` may differ between machines."""
    return row.model_dump(exclude={"made"}) if row else None


def _part_problems(space: Space, contents: Inventory, labels: dict[str, tuple[str, ...]]) -> list[Problem]:
    indexed, serving = space.index.parts(space.project), space.index.serving(space.project)
    problems = [
        _problem("wrong-parts", sha256, f"The index finds parts of {sha256}, and there is no record of it.")
        for sha256 in indexed
        if sha256 not in contents.records and not space.records.exists(sha256)
    ]
    for sha256, record in contents.records.items():
        if sha256 not in labels or not is_findable(record) or not contents.whole(sha256):
            continue
        expected = _expected(space, record, labels[sha256], serving)
        if expected is None or not _agree(expected, indexed.get(sha256, [])):
            sentence = f"The index does not find {record.name} ({sha256}) as it should."
            problems.append(_problem("wrong-parts", sha256, sentence))
    return problems


def _expected(
    space: Space, record: ArtifactRecord, labels: tuple[str, ...], serving: dict[PartKind, str]
) -> list[Entry] | None:
    """Return the entries that the index should have; None if what they are made of is missing."""
    try:
        return expected_entries(space, record, labels, serving)
    except (StorageError, ValueError):
        return None


def _agree(expected: Sequence[Entry], indexed: Sequence[Entry]) -> bool:
    """Whether the index has the expected parts, each in its space; it may have them in those of other models, too."""

    def compared(entry: Entry) -> Entry:
        # Postgres stores no NUL characters; the index has spaces instead. Times without a zone depend on the machine's.
        cleaned = {"name": entry.name.replace("\0", " "), "text": entry.text.replace("\0", " ")}
        return entry.model_copy(update=cleaned | {"vectors": {}, "made": None})

    return [compared(entry) for entry in expected] == [compared(entry) for entry in indexed] and all(
        set(one.vectors) <= set(other.vectors) for one, other in zip(expected, indexed, strict=True)
    )


def _problem(kind: Any, sha256: str, sentence: str) -> Problem:
    return Problem(kind=kind, key=sha256, subject=sha256, sentence=sentence)
