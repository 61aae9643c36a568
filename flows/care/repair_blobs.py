"""Restore lost blobs: from a backup, or by recomputing the recipe that made them, parents before children."""

from collections.abc import Sequence
from typing import Any

from flows.care.repair_state import RepairState
from flows.running.requests import request_from_recipe
from media.errors import ItemError
from modalities.contract import Request
from storage.care.backup import restore_blob
from storage.care.inspection import Problem
from storage.care.mentions import artifacts_in, outputs_of
from storage.care.object_store import ObjectStore
from storage.recipes import RecipeRecord


def repair_blobs(state: RepairState, backup: ObjectStore | None) -> None:
    """Restore missing and changed blobs from the backup; recompute what it does not have."""
    missing = {problem.subject for problem in state.problems_of("changed-blob", "missing-blob")}
    if backup is not None:
        _fetch_from_backup(state, backup, missing)
    recipes_by_output: dict[str, list[RecipeRecord]] = {}
    for record in state.contents.recipes.values():
        for sha256 in outputs_of(record):
            recipes_by_output.setdefault(sha256, []).append(record)
    tried: set[str] = set()
    while True:
        missing = {sha256 for sha256 in missing if not state.contents.whole(sha256)}
        recipes = {
            record.recipe.key: record
            for sha256 in missing
            for record in recipes_by_output.get(sha256, [])
            if record.recipe.key not in tried and all(map(state.contents.whole, record.recipe.inputs))
        }
        if not recipes:
            break
        tried |= set(recipes)
        _recompute(state, list(recipes.values()))
    for sha256 in missing:
        state.reasons.setdefault(
            sha256, "It cannot be made again: bring it back from a backup (`triptych verify --repair --from BACKUP`)."
        )


def _fetch_from_backup(state: RepairState, backup: ObjectStore, missing: set[str]) -> None:
    space, contents = state.context.space, state.contents
    artifacts = {
        a.sha256: a for record in contents.recipes.values() for a in artifacts_in(record.model_dump(mode="json"))
    }
    artifacts |= {sha256: record.artifact for sha256, record in contents.records.items()}
    artifacts |= {artifact.sha256: artifact for _, artifact in contents.named}
    for sha256 in missing & set(artifacts):
        if restore_blob(backup, space.platform.bucket, space.project, artifacts[sha256]):
            _note_restored(state, sha256)


def _recompute(state: RepairState, records: Sequence[RecipeRecord]) -> None:
    answers = state.context.space.answers
    requests = [(record, request) for record in records if (request := _request(state, record)) is not None]
    for (old, _), new in zip(requests, answers.recompute([request for _, request in requests]), strict=True):
        if isinstance(new, ItemError):
            _give_reason(state, old, f"It could not be made again: {new}")
            continue
        for sha256 in outputs_of(new):
            _note_restored(state, sha256)
        if outputs_of(new) != outputs_of(old):
            _replace(state, old, new)


def _request(state: RepairState, record: RecipeRecord) -> Request[Any] | None:
    """Return the request of a recipe, if it would have the same recipe today."""
    request = request_from_recipe(record.recipe.model_dump(mode="json"))
    if request is not None and state.recipe_key(request) == record.recipe.key:
        return request
    _give_reason(state, record, "The model that made it is not in the catalogue any more.")
    return None


def _give_reason(state: RepairState, record: RecipeRecord, reason: str) -> None:
    state.reasons.update(dict.fromkeys(outputs_of(record), reason))


def _replace(state: RepairState, old: RecipeRecord, new: RecipeRecord) -> None:
    """Replace an answer by one with other bytes, unless a record refers to the lost bytes."""
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


def _note_restored(state: RepairState, sha256: str) -> None:
    found = state.context.space.store.find(sha256)
    if found:
        state.contents.blobs[sha256] = found.size
