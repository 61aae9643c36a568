"""Remove artifacts for good, with the answers and thumbnails that have or repeat their content."""

from collections.abc import Iterator, Mapping, Sequence, Set

from flows.index.expected_entries import expected_parts
from flows.library.classification.predictions import forget_predictions
from flows.library.indexing import is_findable
from flows.library.thumbnails import remove_thumbnails
from flows.library.trash import forget_trash_time
from flows.running.platform import Space
from storage.care.mentions import outputs_of
from storage.care.repetitions import Repetitions
from storage.care.tombstones import Tombstone, Tombstones
from storage.errors import StorageError
from storage.recipes import RecipeRecord
from storage.records import ArtifactRecord


def remove_artifacts(
    space: Space, tombstones: Sequence[Tombstone], records: Mapping[str, ArtifactRecord], unreadable: Set[str]
) -> dict[str, str]:
    """Remove artifacts: write their tombstones first, delete records last, so that an interrupted run can be repeated.

    `records` are all records of the project by artifact id, `unreadable` the artifacts whose records cannot be read.
    Return why recipes could not be read, by their keys.
    """
    if not tombstones:
        return {}
    removed = {tombstone.artifact for tombstone in tombstones}
    bucket, kept_tombstones = space.platform.bucket, Tombstones(space.platform.bucket, space.project)
    for tombstone in tombstones:
        kept_tombstones.add(tombstone)
    recipes, unreadable_recipes = space.recipes.read_all()
    keys = set(_recipes_to_remove(space, records, unreadable, removed, recipes))
    space.index.remove(space.project, sorted(removed))
    space.library.remove(space.project, sorted(removed))
    bucket.remove_all([f"{space.project}/recipes/{key}.json" for key in sorted(keys)])
    bucket.remove_all([f"{space.project}/artifacts/{sha256}.json" for sha256 in sorted(removed)])
    for sha256 in removed:
        space.labels.forget(sha256)
        forget_predictions(space, sha256)
        forget_trash_time(space, sha256)
        remove_thumbnails(space, sha256)
    return unreadable_recipes


def _recipes_to_remove(
    space: Space,
    records: Mapping[str, ArtifactRecord],
    unreadable: Set[str],
    removed: Set[str],
    known: Sequence[RecipeRecord],
) -> Iterator[str]:
    """Yield the keys of recipes that have, or repeat, removed content.

    Those are answers about the artifacts, whatever model gave them; answers about their texts, such as embeddings and
    translations; and, in turn, answers about what those answers made. Another artifact with the same passage has it
    embedded again at the next rebuild.
    """
    producers = {record.producer for sha256, record in records.items() if sha256 not in removed}
    kept = (records.keys() - removed) | unreadable
    # Which recipe made an artifact with an unreadable record is not known: each that has it among its outputs stays.
    recipes = [
        recipe for recipe in known if recipe.recipe.key not in producers and not unreadable & set(outputs_of(recipe))
    ]
    repeats = Repetitions(text for sha256 in removed for text in _passage_texts(space, records[sha256]))
    gone, found = set(removed), set[str]()
    while True:
        more = [
            recipe
            for recipe in recipes
            if recipe.recipe.key not in found
            and (gone & set(recipe.recipe.inputs) or repeats.are_in(recipe.recipe.request))
        ]
        if not more:
            break
        found |= {recipe.recipe.key for recipe in more}
        gone |= {output for recipe in more for output in outputs_of(recipe)} - kept
    yield from found
    for sha256 in removed:
        if producer := records[sha256].producer:
            yield from {producer} - producers


def _passage_texts(space: Space, record: ArtifactRecord) -> list[str]:
    try:
        parts = expected_parts(space, record) if is_findable(record) else []
    except StorageError:
        return []  # its bytes are lost
    return [part.text for part in parts or [] if part.text]
