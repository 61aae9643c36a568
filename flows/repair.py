"""Repair: mends what `verify` found, as far as it can be made again; what is broken goes to quarantine.

In this order: records from their blobs, changed blobs out of the way, missing blobs from a backup or from the models,
recipes by asking again, and last the index. Then everything is looked at once more: mended is what is not found again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flows.findable import is_findable, make_findable
from flows.job import Job
from flows.requests import request_of
from flows.verify import Finding, Inspection, VerifyReport, look, report_of
from modalities.errors import ModalityError
from modalities.operator import Request
from storage.artifacts import Artifact
from storage.backup import fetch_blob
from storage.inspection import Contents, Problem, artifacts_in, outputs_of, read_recipe_of
from storage.library import Listed
from storage.place import Place
from storage.quarantine import set_aside
from storage.recipes import RecipeRecord
from storage.records import ArtifactRecord


@dataclass
class _Mending:
    """What a repair knows, and why it could not mend what it could not."""

    job: Job
    contents: Contents
    problems: list[Problem]
    started: datetime
    reasons: dict[str, str] = field(default_factory=dict)
    """By the subject of the problem."""
    to_ask: list[Request[Any]] = field(default_factory=list)

    def of(self, *kinds: str) -> list[Problem]:
        return [problem for problem in self.problems if problem.kind in kinds]

    def set_aside(self, problem: Problem) -> bytes:
        """Move the object of a problem to quarantine; its bytes."""
        space = self.job.space
        data = space.platform.bucket.get(problem.key)
        set_aside(
            space.platform.bucket,
            problem.key,
            project=space.project,
            reason=problem.sentence,
            when=self.started,
        )
        return data


async def repair_project(job: Job, inspection: Inspection, backup: Place | None = None) -> VerifyReport:
    """Find every problem and mend what can be mended, with bytes from the backup if there is one."""
    contents, problems = await look(job, quick=inspection.quick)
    if not problems:
        return report_of(contents, [])
    mending = _Mending(job, contents, problems, datetime.now(UTC))
    await asyncio.to_thread(_mend_records, mending)
    await asyncio.to_thread(_put_aside, mending)
    await asyncio.to_thread(_mend_blobs, mending, backup)
    await _ask_again(mending)
    await _mend_index(mending)
    contents, still = await look(job, quick=True)
    open_subjects = {problem.subject for problem in still}
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


def _mend_records(mending: _Mending) -> None:
    """A record again, from the row that repeats it and from the blob itself."""
    space = mending.job.space
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


def _record(mending: _Mending, artifact: Artifact, row: Listed | None) -> ArtifactRecord:
    """As the row says; without one, what the bytes themselves tell."""
    space = mending.job.space
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


def _properties(mending: _Mending, artifact: Artifact) -> dict[str, Any]:
    try:
        with mending.job.space.store.local(artifact) as path:
            return dict(mending.job.space.platform.decoders.identify(path, artifact.sha256[:12]).properties)
    except ModalityError:
        return {"findable": False}


def _put_aside(mending: _Mending) -> None:
    """What is broken leaves its place, so that the right thing can stand there."""
    for problem in mending.of("changed-blob"):
        mending.set_aside(problem)
        mending.contents.changed.discard(problem.subject)
        mending.contents.blobs.pop(problem.subject, None)
    for problem in mending.of("broken-recipe"):
        recipe = read_recipe_of(mending.set_aside(problem))
        request = request_of(recipe) if recipe else None
        # Of a recipe whose beginning is lost too nothing is asked: whoever needs the answer asks anew.
        if request is not None and _key(mending, request):
            mending.to_ask.append(request)
    for problem in mending.of("broken-reference"):
        mending.set_aside(problem)
        mending.reasons[problem.subject] = "It was moved to quarantine and counts as never set."


def _mend_blobs(mending: _Mending, backup: Place | None) -> None:
    """Bytes again: from the backup, otherwise from whoever made them, parents before children."""
    missing = {problem.subject for problem in mending.of("changed-blob", "missing-blob")}
    if backup is not None:
        _fetch(mending, backup, missing)
    makers: dict[str, list[RecipeRecord]] = {}
    for record in mending.contents.recipes.values():
        for sha256 in outputs_of(record):
            makers.setdefault(sha256, []).append(record)
    tried: set[str] = set()
    while True:
        missing = {sha256 for sha256 in missing if not mending.contents.whole(sha256)}
        recipes = {
            record.recipe.key: record
            for sha256 in missing
            for record in makers.get(sha256, [])
            if record.recipe.key not in tried and all(map(mending.contents.whole, record.recipe.inputs))
        }
        if not recipes:
            break
        tried |= set(recipes)
        _make_again(mending, list(recipes.values()))
    for sha256 in missing:
        mending.reasons.setdefault(
            sha256, "It cannot be made again: bring it back from a backup (`triptych verify --repair --from BACKUP`)."
        )


def _fetch(mending: _Mending, backup: Place, missing: set[str]) -> None:
    space, contents = mending.job.space, mending.contents
    named = {a.sha256: a for record in contents.recipes.values() for a in artifacts_in(record.model_dump(mode="json"))}
    named |= {sha256: record.artifact for sha256, record in contents.records.items()}
    for sha256 in missing & set(named):
        if fetch_blob(backup, space.platform.bucket, space.project, named[sha256]):
            _found_again(mending, sha256)


def _make_again(mending: _Mending, records: Sequence[RecipeRecord]) -> None:
    answers = mending.job.space.answers
    asked = [(record, request) for record in records if (request := _request(mending, record)) is not None]
    for (old, _), new in zip(asked, answers.recompute([request for _, request in asked]), strict=True):
        if isinstance(new, ModalityError):
            _explain(mending, old, f"It could not be made again: {new}")
            continue
        for sha256 in outputs_of(new):
            _found_again(mending, sha256)
        if outputs_of(new) != outputs_of(old):
            _replace(mending, old, new)


def _request(mending: _Mending, record: RecipeRecord) -> Request[Any] | None:
    """The question of a recipe, if the same model would answer it today."""
    request = request_of(record.recipe.model_dump(mode="json"))
    if request is not None and _key(mending, request) == record.recipe.key:
        return request
    _explain(mending, record, "The model that made it is not in the catalogue any more.")
    return None


def _key(mending: _Mending, request: Request[Any]) -> str | None:
    """The recipe's key as the catalogue is today; None when it does not know the model."""
    try:
        return mending.job.space.answers.recipe(request).key
    except ModalityError:
        return None


def _explain(mending: _Mending, record: RecipeRecord, reason: str) -> None:
    mending.reasons.update(dict.fromkeys(outputs_of(record), reason))


def _replace(mending: _Mending, old: RecipeRecord, new: RecipeRecord) -> None:
    """The model answered with other bytes: where nobody recorded the old ones, the new answer counts."""
    lost = [sha256 for sha256 in outputs_of(old) if not mending.contents.whole(sha256)]
    if any(sha256 in mending.contents.records for sha256 in lost):
        for sha256 in lost:
            mending.reasons[sha256] = "It was made again and came out with other bytes, so the old ones are lost."
        return
    space, key = mending.job.space, old.recipe.key
    problem = Problem(
        kind="broken-recipe",
        key=f"{space.project}/recipes/{key}.json",
        subject=key,
        sentence=f"The answer of recipe {key} was lost, and came out with other bytes when it was asked again.",
    )
    mending.set_aside(problem)
    mending.contents.recipes[key] = space.recipes.add(new)


def _found_again(mending: _Mending, sha256: str) -> None:
    found = mending.job.space.store.find(sha256)
    if found:
        mending.contents.blobs[sha256] = found.size


async def _ask_again(mending: _Mending) -> None:
    """The recipes that were moved away and can still be read as far as the question goes."""
    asked = [r for r in mending.to_ask if all(mending.contents.whole(a.sha256) for a in r.artifacts())]
    for request, answer in zip(asked, await mending.job.answers(asked), strict=True):
        if isinstance(answer, ModalityError):
            mending.reasons[mending.job.space.answers.recipe(request).key] = str(answer)


async def _mend_index(mending: _Mending) -> None:
    space, records = mending.job.space, mending.contents.records
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
    mending.reasons.update(await make_findable(mending.job, findable))
