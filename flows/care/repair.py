"""Repair: mends what `verify` found, as far as it can be made again; what is broken goes to quarantine.

In this order: records from their blobs, changed blobs out of the way, missing blobs from a backup or from the models,
recipes by asking again, and last the index. Then everything is looked at once more: mended is what is not found again.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from flows.care.repair_blobs import repair_blobs
from flows.care.repair_state import RepairState
from flows.care.verify import Finding, Inspection, VerifyReport, look, report_of
from flows.library.indexing import index_artifacts, is_findable
from flows.running.context import RunContext
from flows.running.requests import request_from_recipe
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
    state = RepairState(context, contents, problems, datetime.now(UTC))
    await asyncio.to_thread(_mend_records, state)
    await asyncio.to_thread(_put_aside, state)
    await asyncio.to_thread(_mend_references, state, backup)
    await asyncio.to_thread(repair_blobs, state, backup)
    await _ask_again(state)
    await _mend_index(state)
    contents, still = await look(context, quick=True)
    open_subjects = {problem.subject for problem in still} | state.given_up
    findings = [
        Finding(
            problem=problem,
            mended=problem.subject not in open_subjects,
            reason="" if problem.subject not in open_subjects else state.reasons.get(problem.subject, ""),
        )
        for problem in problems
    ]
    known = {problem.subject for problem in problems}
    findings += [Finding(problem=problem) for problem in still if problem.subject not in known]
    return report_of(contents, findings)


def _mend_records(state: RepairState) -> None:
    """A record again, from the row that repeats it and from the blob itself."""
    space = state.context.space
    rows = {row.artifact: row for row in space.library.all(space.project)}
    for problem in state.of("broken-record", "missing-record"):
        if problem.kind == "broken-record":
            state.set_aside(problem)
        sha256 = problem.subject
        artifact = space.store.find(sha256) if state.contents.whole(sha256) else None
        if artifact is None:
            state.reasons[sha256] = "Its bytes are lost too."
            continue
        record = _record(state, artifact, rows.get(sha256))
        state.contents.records[sha256] = space.records.add(record)[0]


def _record(state: RepairState, artifact: Artifact, row: Listed | None) -> ArtifactRecord:
    """As the row says; without one, what the bytes themselves tell."""
    space = state.context.space
    if row is None:
        properties = _properties(state, artifact)
        return ArtifactRecord(
            artifact=artifact, project=space.project, name=artifact.sha256[:12], properties=properties
        )
    return ArtifactRecord(
        artifact=artifact.model_copy(update={"media_type": row.media_type}),
        project=space.project,
        **row.model_dump(include={"name", "parents", "producer", "labels", "properties", "created"}),
    )


def _properties(state: RepairState, artifact: Artifact) -> dict[str, Any]:
    try:
        with state.context.space.store.local(artifact) as path:
            return dict(state.context.space.platform.decoders.identify(path, artifact.sha256[:12]).properties)
    except ItemError:
        return {"findable": False}


def _put_aside(state: RepairState) -> None:
    """What is broken leaves its place, so that the right thing can stand there."""
    for problem in state.of("changed-blob"):
        state.set_aside(problem)
        state.contents.changed.discard(problem.subject)
        state.contents.blobs.pop(problem.subject, None)
    for problem in state.of("broken-recipe"):
        recipe = read_recipe_of(state.set_aside(problem))
        request = request_from_recipe(recipe) if recipe else None
        # Of a recipe whose beginning is lost too nothing is asked: whoever needs the answer asks anew.
        if request is not None and state.key(request):
            state.to_ask.append(request)


def _mend_references(state: RepairState, backup: Place | None) -> None:
    """Labels as the row repeats them; other references from the backup."""
    space = state.context.space
    rows = {row.artifact: row for row in space.library.all(space.project)}
    for problem in state.of("broken-reference"):
        state.set_aside(problem)
        name = problem.subject
        row = rows.get(name.removeprefix("labels/")) if name.startswith("labels/") else None
        if row is not None:
            labels = list(row.labels)
            space.refs.update(name, lambda _, labels=labels: labels)
        elif backup is None or not fetch_document(backup, space.platform.bucket, problem.key):
            state.given_up.add(problem.subject)
            state.reasons[problem.subject] = "It is in quarantine now and counts as never set."


async def _ask_again(state: RepairState) -> None:
    """The recipes that were moved away and can still be read as far as the question goes."""
    asked = [r for r in state.to_ask if all(state.contents.whole(a.sha256) for a in r.artifacts())]
    for request, answer in zip(asked, await state.context.answers(asked), strict=True):
        if isinstance(answer, ItemError):
            state.reasons[state.context.space.answers.recipe(request).key] = str(answer)


async def _mend_index(state: RepairState) -> None:
    space, records = state.context.space, state.contents.records
    gone = [problem.subject for problem in state.of("wrong-row", "wrong-parts") if problem.subject not in records]
    await asyncio.to_thread(space.library.remove, space.project, gone)
    await asyncio.to_thread(space.index.remove, space.project, gone)
    listed = list(records.values())
    labels = await asyncio.to_thread(space.labels.of_all, listed)
    wrong = {problem.subject for problem in state.of("wrong-row", "wrong-parts", "broken-record", "missing-record")}
    await asyncio.to_thread(space.library.put, [records[sha] for sha in wrong if sha in records], labels)
    findable = [
        record
        for sha256, record in records.items()
        if sha256 in wrong and is_findable(record) and state.contents.whole(sha256)
    ]
    parts = {problem.subject for problem in state.of("wrong-parts")}
    await asyncio.to_thread(space.index.remove, space.project, sorted(parts & set(records)))
    state.reasons.update(await index_artifacts(state.context, findable))
