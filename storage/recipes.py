"""Recipes: the cache keys of model results, and the cached results.

The record of a recipe is create-only and written after the artifacts of its result. The same request is then answered
from the cache, on any machine; a crash before the record is written costs only the work in progress.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.artifacts import Sha256
from storage.bucket import Bucket
from storage.errors import ObjectNotFound, RecordCorrupt
from storage.names import checked_project


class Recipe(BaseModel):
    """Everything that a result depends on; `weights` is the digest of the weight files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operator: str
    version: str
    weights: str
    request: dict[str, Any]
    inputs: tuple[Sha256, ...] = ()

    @property
    def key(self) -> str:
        """The cache key: sha256 (hex) of the canonical JSON of the recipe."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json"))).hexdigest()


class RecipeRecord(BaseModel):
    """A recipe and its result; `outputs` are the ids of the artifacts in the result, `seconds` its computing time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    result: dict[str, Any]
    outputs: tuple[Sha256, ...] = ()
    seconds: float | None = None
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))


class RecipeStore:
    """The cached results of one project."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._bucket = bucket
        self.project = checked_project(project)

    def find(self, key: str) -> RecipeRecord | None:
        """The record of a recipe by its key, or None. Raises RecordCorrupt."""
        try:
            return self._read(self._key(key))
        except ObjectNotFound:
            return None

    def add(self, record: RecipeRecord) -> RecipeRecord:
        """Store a result, unless one is stored already; returns the stored one."""
        key = record.recipe.key
        data = record.model_dump_json().encode()
        if self._bucket.create(self._key(key), data, media_type="application/json"):
            return record
        return self._read(self._key(key))

    def read_all(self) -> tuple[list[RecipeRecord], dict[str, str]]:
        """Every recipe record that can be read, in key order, and why the others cannot be, by recipe key."""
        records: list[RecipeRecord] = []
        unreadable: dict[str, str] = {}
        for found in self._bucket.objects(f"{self.project}/recipes/"):
            try:
                records.append(self._read(found.key))
            except RecordCorrupt as error:
                unreadable[found.key.rsplit("/", 1)[-1].removesuffix(".json")] = str(error)
            except ObjectNotFound:
                continue  # it was removed in the meantime
        return records, unreadable

    def _read(self, key: str) -> RecipeRecord:
        try:
            return RecipeRecord.model_validate_json(self._bucket.get(key))
        except ValidationError as error:
            raise RecordCorrupt(f"{key} cannot be read: run `triptych verify --repair`.") from error

    def _key(self, key: str) -> str:
        return f"{self.project}/recipes/{key}.json"


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys, without spaces, in UTF-8; equal values give equal bytes. Raises ValueError for NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
