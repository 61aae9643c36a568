"""Find the artifacts that a JSON document names, and the recipe in a truncated recipe record."""

import json
from collections.abc import Iterator
from typing import Any

from storage.artifacts import Artifact
from storage.recipes import RecipeRecord


def outputs_of(record: RecipeRecord) -> tuple[str, ...]:
    """The ids of the artifacts in a cached result, without duplicates."""
    return tuple(dict.fromkeys([*record.outputs, *(a.sha256 for a in artifacts_in(record.result))]))


def read_truncated_recipe(data: bytes) -> dict[str, Any] | None:
    """The recipe in a recipe record that was truncated after it; None when the recipe is truncated too."""
    text = data.decode(errors="replace")
    start = text.find('{"recipe":')
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text, start + len('{"recipe":'))
    except ValueError:
        return None
    return found


def artifacts_in(value: Any) -> Iterator[Artifact]:
    """Every artifact that a JSON document names."""
    if isinstance(value, dict):
        if {"sha256", "media_type", "size"} == set(value):
            yield Artifact.model_validate(value)
        for inner in value.values():
            yield from artifacts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from artifacts_in(inner)
