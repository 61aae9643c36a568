"""Repair: mends what `verify` found, as far as it can be made again; what is broken goes to quarantine.

In this order: records from their blobs, changed blobs out of the way, missing blobs from a backup or from the models,
recipes by asking again, and last the index. Then everything is looked at once more: mended is what is not found again.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from flows.care.repair_blobs import mend_blobs
from flows.care.repair_state import Mending
from flows.care.verify import Finding, Inspection, VerifyReport, look, report_of
from flows.library.indexing import is_findable, make_findable
from flows.running.context import RunContext
from flows.running.requests import request_of
from media.errors import ItemError
from storage.artifacts import Artifact
from storage.care.backup import fetch_document
from storage.care.mentions import read_recipe_of
from storage.care.object_store import Place
from storage.index.library import Listed
from storage.records import ArtifactRecord


async def repair_project(context: RunContext, inspection: Inspection, backup: Place | None = None) -> VerifyReport:
    """Find every problem and mend what can be mended, with bytes from the backup if there is one."""
    contents, problems = await look(context, quick=inspection.quick)
    if not problems:
        return report_of(contents, [])
    mending = Mending(context, contents, problems, datetime.now(UTC))
    await asyncio.to_thread(_mend_records, mending)
    await asyncio.to_thread(_put_aside, mending)
    await asyncio.to_thread(_mend_references, mending, backup)
    await asyncio.to_thread(mend_blobs, mending, backup)
    await _ask_again(mending)
    await _mend_index(mending)
    contents, still = await look(context, quick=True)
    open_subjects = {problem.subject for problem in still} | mending.given_up
    findings = [
        Finding(
            problem=problem,
            mended=problem.subject not in open_subjects,
            reason="" if problem.subject not in open_subjects else mending.reasons.get(problem.subject, ""),
        )
        for problem in problems
    ]
    known = {problem.subject for problem in problems}
    findings += [Finding(problem=problem) for problem in still if problem.subject not in known]
    return report_of(contents, findings)


def _mend_records(mending: Mending) -> None:
    """A record again, from the row that repeats it and from the blob itself."""
    space = mending.context.space
    rows = {row.artifact: row for row in space.library.all(space.project)}
    for problem in mending.of("broken-record", "missing-record"):
        if problem.kind == "broken-record":
            mending.set_aside(problem)
        sha256 = problem.subject
        artifact = space.store.find(sha256) if mending.contents.whole(sha256) else None
        if artifact is None:
            mending.reasons[sha256] = "Its bytes are lost too."
            continue
        record = _record(mending, artifact, rows.get(sha256))
        mending.contents.records[sha256] = space.records.add(record)[0]


def _record(mending: Mending, artifact: Artifact, row: Listed | None) -> ArtifactRecord:
    """As the row says; without one, what the bytes themselves tell."""
    space = mending.context.space
    if row is None:
        properties = _properties(mending, artifact)
        return ArtifactRecord(
            artifact=artifact, project=space.project, name=artifact.sha256[:12], properties=properties
        )
    return ArtifactRecord(
        artifact=artifact.model_copy(update={"media_type": row.media_type}),
        project=space.project,
        **row.model_dump(include={"name", "parents", "producer", "labels", "properties", "created"}),
    )


def _properties(mending: Mending, artifact: Artifact) -> dict[str, Any]:
    try:
        with mending.context.space.store.local(artifact) as path:
            return dict(mending.context.space.platform.decoders.identify(path, artifact.sha256[:12]).properties)
    except ItemError:
        return {"findable": False}


def _put_aside(mending: Mending) -> None:
    """What is broken leaves its place, so that the right thing can stand there."""
    for problem in mending.of("changed-blob"):
        mending.set_aside(problem)
        mending.contents.changed.discard(problem.subject)
        mending.contents.blobs.pop(problem.subject, None)
    for problem in mending.of("broken-recipe"):
        recipe = read_recipe_of(mending.set_aside(problem))
        request = request_of(recipe) if recipe else None
        # Of a recipe whose beginning is lost too nothing is asked: whoever needs the answer asks anew.
        if request is not None and mending.key(request):
            mending.to_ask.append(request)


def _mend_references(mending: Mending, backup: Place | None) -> None:
    """Labels as the row repeats them; other references from the backup."""
    space = mending.context.space
    rows = {row.artifact: row for row in space.library.all(space.project)}
    for problem in mending.of("broken-reference"):
        mending.set_aside(problem)
        name = problem.subject
        row = rows.get(name.removeprefix("labels/")) if name.startswith("labels/") else None
        if row is not None:
            labels = list(row.labels)
            space.refs.update(name, lambda _, labels=labels: labels)
        elif backup is None or not fetch_document(backup, space.platform.bucket, problem.key):
            mending.given_up.add(problem.subject)
            mending.reasons[problem.subject] = "It is in quarantine now and counts as never set."


async def _ask_again(mending: Mending) -> None:
    """The recipes that were moved away and can still be read as far as the question goes."""
    asked = [r for r in mending.to_ask if all(mending.contents.whole(a.sha256) for a in r.artifacts())]
    for request, answer in zip(asked, await mending.context.answers(asked), strict=True):
        if isinstance(answer, ItemError):
            mending.reasons[mending.context.space.answers.recipe(request).key] = str(answer)


async def _mend_index(mending: Mending) -> None:
    space, records = mending.context.space, mending.contents.records
    gone = [problem.subject for problem in mending.of("wrong-row", "wrong-parts") if problem.subject not in records]
    await asyncio.to_thread(space.library.remove, space.project, gone)
    await asyncio.to_thread(space.index.remove, space.project, gone)
    listed = list(records.values())
    labels = await asyncio.to_thread(space.labels.of_all, listed)
    wrong = {problem.subject for problem in mending.of("wrong-row", "wrong-parts", "broken-record", "missing-record")}
    await asyncio.to_thread(space.library.put, [records[sha] for sha in wrong if sha in records], labels)
    findable = [
        record
        for sha256, record in records.items()
        if sha256 in wrong and is_findable(record) and mending.contents.whole(sha256)
    ]
    parts = {problem.subject for problem in mending.of("wrong-parts")}
    await asyncio.to_thread(space.index.remove, space.project, sorted(parts & set(records)))
    mending.reasons.update(await make_findable(mending.context, findable))
