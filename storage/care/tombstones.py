"""Tombstones: which artifacts were removed on purpose, when and why, so that a restore leaves them out."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from storage.bucket import Bucket
from storage.refs import Refs

FOLDER = "removed"


class Tombstone(BaseModel):
    """The metadata of a removed artifact, without anything of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact: str
    name: str
    media_type: str
    labels: tuple[str, ...]
    reason: str
    removed: datetime


class Tombstones:
    """The tombstones of one project."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._refs = Refs(bucket, project)

    def add(self, tombstone: Tombstone) -> None:
        """Store a tombstone; it replaces an earlier one of the same artifact."""
        self._refs.update(f"{FOLDER}/{tombstone.artifact}", lambda _: tombstone.model_dump(mode="json"))

    def find(self, sha256: str) -> Tombstone | None:
        """The latest tombstone of an artifact, or None."""
        value = self._refs.get(f"{FOLDER}/{sha256}")
        return None if value is None else Tombstone.model_validate(value)

    def all(self) -> list[Tombstone]:
        """Every tombstone, in the order of ids."""
        found = (self.find(name.removeprefix(f"{FOLDER}/")) for name in self._refs.names(FOLDER))
        return [tombstone for tombstone in found if tombstone]
