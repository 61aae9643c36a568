"""Repair what `verify` found, as far as it can be restored or computed again; broken objects go to quarantine.

In this order: restore records, move changed blobs and broken recipes to quarantine, restore references, restore blobs
from a backup or by the models, answer the requests of broken recipes again, and update the index. Then inspect again: a
problem is repaired if it is not found any more.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from flows.care.repair_blobs import repair_blobs
from flows.care.repair_state import RepairState
from flows.care.verify import Finding, Inspection, VerifyReport, inspect_project, report_of
from flows.library.indexing import index_artifacts, is_findable
from flows.running.context import RunContext
from flows.running.requests import request_from_recipe
from media.errors import ItemError
from storage.artifacts import Artifact
from storage.care.backup import restore_document
from storage.care.mentions import read_truncated_recipe
from storage.care.object_store import ObjectStore
from storage.index.library import Listed
from storage.records import ArtifactRecord


async def repair_project(
    context: RunContext, inspection: Inspection, backup: ObjectStore | None = None
) -> VerifyReport:
    """Find every problem and repair what can be repaired, with bytes from the backup if there is one."""
    contents, problems = await inspect_project(context, quick=inspection.quick)
    if not problems:
        return report_of(contents, [])
    state = RepairState(context, contents, problems, datetime.now(UTC))
    await asyncio.to_thread(_repair_records, state)
    await asyncio.to_thread(_set_aside_broken, state)
    await asyncio.to_thread(_repair_references, state, backup)
    await asyncio.to_thread(repair_blobs, state, backup)
    await _answer_again(state)
    await _repair_index(state)
    contents, remaining = await inspect_project(context, quick=True)
    open_subjects = {problem.subject for problem in remaining} | state.unrepaired
    findings = [
        Finding(
            problem=problem,
            mended=problem.subject not in open_subjects,
            reason="" if problem.subject not in open_subjects else state.reasons.get(problem.subject, ""),
        )
        for problem in problems
    ]
    known = {problem.subject for problem in problems}
    findings += [Finding(problem=problem) for problem in remaining if problem.subject not in known]
    return report_of(contents, findings)


def _repair_records(state: RepairState) -> None:
    """Restore records from their blobs and from the rows of the library, which repeat them."""
    space = state.context.space
    rows = {row.artifact: row for row in space.library.all(space.project)}
    for problem in state.problems_of("broken-record", "missing-record"):
        if problem.kind == "broken-record":
            state.set_aside(problem)
        sha256 = problem.subject
        artifact = space.store.find(sha256) if state.contents.whole(sha256) else None
        if artifact is None:
            state.reasons[sha256] = "Its bytes are lost too."
            continue
        record = _restored_record(state, artifact, rows.get(sha256))
        state.contents.records[sha256] = space.records.add(record)[0]


def _restored_record(state: RepairState, artifact: Artifact, row: Listed | None) -> ArtifactRecord:
    """Build a record from the library row; without one, from the bytes alone."""
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


def _set_aside_broken(state: RepairState) -> None:
    """Move changed blobs and broken recipes to quarantine, so that good ones can be written under their keys."""
    for problem in state.problems_of("changed-blob"):
        state.set_aside(problem)
        state.contents.changed.discard(problem.subject)
        state.contents.blobs.pop(problem.subject, None)
    for problem in state.problems_of("broken-recipe"):
        recipe = read_truncated_recipe(state.set_aside(problem))
        request = request_from_recipe(recipe) if recipe else None
        # A recipe whose request is lost too is not answered again here; the next flow that needs the answer does that.
        if request is not None and state.recipe_key(request):
            state.to_answer.append(request)


def _repair_references(state: RepairState, backup: ObjectStore | None) -> None:
    """Restore labels from the library rows, other references from the backup."""
    space = state.context.space
    rows = {row.artifact: row for row in space.library.all(space.project)}
    for problem in state.problems_of("broken-reference"):
        state.set_aside(problem)
        name = problem.subject
        row = rows.get(name.removeprefix("labels/")) if name.startswith("labels/") else None
        if row is not None:
            labels = list(row.labels)
            space.refs.update(name, lambda _, labels=labels: labels)
        elif backup is None or not restore_document(backup, space.platform.bucket, problem.key):
            state.unrepaired.add(problem.subject)
            state.reasons[problem.subject] = "It is in quarantine now and counts as never set."


async def _answer_again(state: RepairState) -> None:
    """Answer the requests of broken recipes again, where their inputs are whole."""
    requests = [r for r in state.to_answer if all(state.contents.whole(a.sha256) for a in r.artifacts())]
    for request, answer in zip(requests, await state.context.answers(requests), strict=True):
        if isinstance(answer, ItemError):
            state.reasons[state.context.space.answers.recipe(request).key] = str(answer)


async def _repair_index(state: RepairState) -> None:
    space, records = state.context.space, state.contents.records
    gone = [
        problem.subject for problem in state.problems_of("wrong-row", "wrong-parts") if problem.subject not in records
    ]
    await asyncio.to_thread(space.library.remove, space.project, gone)
    await asyncio.to_thread(space.index.remove, space.project, gone)
    listed = list(records.values())
    labels, _ = await asyncio.to_thread(space.labels.of_many, listed)
    wrong = {
        problem.subject for problem in state.problems_of("wrong-row", "wrong-parts", "broken-record", "missing-record")
    }
    await asyncio.to_thread(
        space.library.put, [records[sha] for sha in wrong if sha in records and sha in labels], labels
    )
    findable = [
        record
        for sha256, record in records.items()
        if sha256 in wrong and is_findable(record) and state.contents.whole(sha256)
    ]
    parts = {problem.subject for problem in state.problems_of("wrong-parts")}
    await asyncio.to_thread(space.index.remove, space.project, sorted(parts & set(records)))
    state.reasons.update(await index_artifacts(state.context, findable))
