"""Bytes that are lost come from a backup, or from whoever made them, parents before children."""

from collections.abc import Sequence
from typing import Any

from flows.care.repair_state import Mending
from flows.running.requests import request_of
from media.errors import ItemError
from modalities.contract import Request
from storage.care.backup import fetch_blob
from storage.care.inspection import Problem
from storage.care.mentions import artifacts_in, outputs_of
from storage.care.object_store import Place
from storage.recipes import RecipeRecord


def mend_blobs(mending: Mending, backup: Place | None) -> None:
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


def _fetch(mending: Mending, backup: Place, missing: set[str]) -> None:
    space, contents = mending.context.space, mending.contents
    named = {a.sha256: a for record in contents.recipes.values() for a in artifacts_in(record.model_dump(mode="json"))}
    named |= {sha256: record.artifact for sha256, record in contents.records.items()}
    for sha256 in missing & set(named):
        if fetch_blob(backup, space.platform.bucket, space.project, named[sha256]):
            _found_again(mending, sha256)


def _make_again(mending: Mending, records: Sequence[RecipeRecord]) -> None:
    answers = mending.context.space.answers
    asked = [(record, request) for record in records if (request := _request(mending, record)) is not None]
    for (old, _), new in zip(asked, answers.recompute([request for _, request in asked]), strict=True):
        if isinstance(new, ItemError):
            _explain(mending, old, f"It could not be made again: {new}")
            continue
        for sha256 in outputs_of(new):
            _found_again(mending, sha256)
        if outputs_of(new) != outputs_of(old):
            _replace(mending, old, new)


def _request(mending: Mending, record: RecipeRecord) -> Request[Any] | None:
    """The question of a recipe, if the same model would answer it today."""
    request = request_of(record.recipe.model_dump(mode="json"))
    if request is not None and mending.key(request) == record.recipe.key:
        return request
    _explain(mending, record, "The model that made it is not in the catalogue any more.")
    return None


def _explain(mending: Mending, record: RecipeRecord, reason: str) -> None:
    mending.reasons.update(dict.fromkeys(outputs_of(record), reason))


def _replace(mending: Mending, old: RecipeRecord, new: RecipeRecord) -> None:
    """The model answered with other bytes: where nobody recorded the old ones, the new answer counts."""
    lost = [sha256 for sha256 in outputs_of(old) if not mending.contents.whole(sha256)]
    if any(sha256 in mending.contents.records for sha256 in lost):
        for sha256 in lost:
            mending.reasons[sha256] = "It was made again and came out with other bytes, so the old ones are lost."
        return
    space, key = mending.context.space, old.recipe.key
    problem = Problem(
        kind="broken-recipe",
        key=f"{space.project}/recipes/{key}.json",
        subject=key,
        sentence=f"The answer of recipe {key} was lost, and came out with other bytes when it was asked again.",
    )
    mending.set_aside(problem)
    mending.contents.recipes[key] = space.recipes.add(new)


def _found_again(mending: Mending, sha256: str) -> None:
    found = mending.context.space.store.find(sha256)
    if found:
        mending.contents.blobs[sha256] = found.size
