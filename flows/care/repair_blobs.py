"""Bytes that are lost come from a backup, or from whoever made them, parents before children."""

from collections.abc import Sequence
from typing import Any

from flows.care.repair_state import RepairState
from flows.running.requests import request_from_recipe
from media.errors import ItemError
from modalities.contract import Request
from storage.care.backup import fetch_blob
from storage.care.inspection import Problem
from storage.care.mentions import artifacts_in, outputs_of
from storage.care.object_store import Place
from storage.recipes import RecipeRecord


def repair_blobs(state: RepairState, backup: Place | None) -> None:
    """Bytes again: from the backup, otherwise from whoever made them, parents before children."""
    missing = {problem.subject for problem in state.of("changed-blob", "missing-blob")}
    if backup is not None:
        _fetch(state, backup, missing)
    makers: dict[str, list[RecipeRecord]] = {}
    for record in state.contents.recipes.values():
        for sha256 in outputs_of(record):
            makers.setdefault(sha256, []).append(record)
    tried: set[str] = set()
    while True:
        missing = {sha256 for sha256 in missing if not state.contents.whole(sha256)}
        recipes = {
            record.recipe.key: record
            for sha256 in missing
            for record in makers.get(sha256, [])
            if record.recipe.key not in tried and all(map(state.contents.whole, record.recipe.inputs))
        }
        if not recipes:
            break
        tried |= set(recipes)
        _make_again(state, list(recipes.values()))
    for sha256 in missing:
        state.reasons.setdefault(
            sha256, "It cannot be made again: bring it back from a backup (`triptych verify --repair --from BACKUP`)."
        )


def _fetch(state: RepairState, backup: Place, missing: set[str]) -> None:
    space, contents = state.context.space, state.contents
    named = {a.sha256: a for record in contents.recipes.values() for a in artifacts_in(record.model_dump(mode="json"))}
    named |= {sha256: record.artifact for sha256, record in contents.records.items()}
    for sha256 in missing & set(named):
        if fetch_blob(backup, space.platform.bucket, space.project, named[sha256]):
            _found_again(state, sha256)


def _make_again(state: RepairState, records: Sequence[RecipeRecord]) -> None:
    answers = state.context.space.answers
    asked = [(record, request) for record in records if (request := _request(state, record)) is not None]
    for (old, _), new in zip(asked, answers.recompute([request for _, request in asked]), strict=True):
        if isinstance(new, ItemError):
            _explain(state, old, f"It could not be made again: {new}")
            continue
        for sha256 in outputs_of(new):
            _found_again(state, sha256)
        if outputs_of(new) != outputs_of(old):
            _replace(state, old, new)


def _request(state: RepairState, record: RecipeRecord) -> Request[Any] | None:
    """The question of a recipe, if the same model would answer it today."""
    request = request_from_recipe(record.recipe.model_dump(mode="json"))
    if request is not None and state.key(request) == record.recipe.key:
        return request
    _explain(state, record, "The model that made it is not in the catalogue any more.")
    return None


def _explain(state: RepairState, record: RecipeRecord, reason: str) -> None:
    state.reasons.update(dict.fromkeys(outputs_of(record), reason))


def _replace(state: RepairState, old: RecipeRecord, new: RecipeRecord) -> None:
    """The model answered with other bytes: where nobody recorded the old ones, the new answer counts."""
    lost = [sha256 for sha256 in outputs_of(old) if not state.contents.whole(sha256)]
    if any(sha256 in state.contents.records for sha256 in lost):
        for sha256 in lost:
            state.reasons[sha256] = "It was made again and came out with other bytes, so the old ones are lost."
        return
    space, key = state.context.space, old.recipe.key
    problem = Problem(
        kind="broken-recipe",
        key=f"{space.project}/recipes/{key}.json",
        subject=key,
        sentence=f"The answer of recipe {key} was lost, and came out with other bytes when it was asked again.",
    )
    state.set_aside(problem)
    state.contents.recipes[key] = space.recipes.add(new)


def _found_again(state: RepairState, sha256: str) -> None:
    found = state.context.space.store.find(sha256)
    if found:
        state.contents.blobs[sha256] = found.size
