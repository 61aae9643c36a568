"""Recipes: a question put to a model, named by its hash, and the answer it got.

The record of a recipe is written after the artifacts of its result, create-only. Whoever asks the same question
later, on any machine, reads the answer; whoever dies before the record loses nothing but the work in hand.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.artifacts import Sha256
from storage.bucket import Bucket
from storage.errors import ObjectNotFound, RecordCorrupt
from storage.names import checked_project


class Recipe(BaseModel):
    """Everything an answer depends on. `operator` carries its version, `weights` is the digest of the files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operator: str
    version: str
    weights: str
    request: dict[str, Any]
    inputs: tuple[Sha256, ...] = ()

    @property
    def key(self) -> str:
        """sha256 (hex) of the canonical JSON of the recipe."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json"))).hexdigest()


class RecipeRecord(BaseModel):
    """A recipe and its result; `outputs` names the artifacts in the result, `seconds` is what it took."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    result: dict[str, Any]
    outputs: tuple[Sha256, ...] = ()
    seconds: float | None = None
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))


class RecipeStore:
    """The answered recipes of one project."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._bucket = bucket
        self.project = checked_project(project)

    def find(self, key: str) -> RecipeRecord | None:
        """The answer to a recipe, if somebody has it."""
        try:
            return self._read(self._key(key))
        except ObjectNotFound:
            return None

    def add(self, record: RecipeRecord) -> RecipeRecord:
        """Keep an answer. When two finish at once the first stands, and both return it."""
        key = record.recipe.key
        data = record.model_dump_json().encode()
        if self._bucket.create(self._key(key), data, media_type="application/json"):
            return record
        return self._read(self._key(key))

    def all(self) -> Iterator[RecipeRecord]:
        """Every answered recipe of the project, in key order."""
        for found in self._bucket.objects(f"{self.project}/recipes/"):
            yield self._read(found.key)

    def _read(self, key: str) -> RecipeRecord:
        try:
            return RecipeRecord.model_validate_json(self._bucket.get(key))
        except ValidationError as error:
            raise RecordCorrupt(f"{key} cannot be read: run `triptych verify --repair`.") from error

    def _key(self, key: str) -> str:
        return f"{self.project}/recipes/{key}.json"


def canonical_json(value: Any) -> bytes:
    """One spelling per value: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
