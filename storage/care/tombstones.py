"""Tombstones: what was removed on purpose, when and why, so that nobody brings it back by mistake."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from storage.bucket import Bucket
from storage.refs import Refs

FOLDER = "removed"


class Tombstone(BaseModel):
    """What stood here; nothing of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact: str
    name: str
    media_type: str
    labels: tuple[str, ...]
    reason: str
    removed: datetime


class Tombstones:
    """The artifacts that were removed from one project."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._refs = Refs(bucket, project)

    def add(self, tombstone: Tombstone) -> None:
        """Note a removal, over an earlier one of the same artifact."""
        self._refs.update(f"{FOLDER}/{tombstone.artifact}", lambda _: tombstone.model_dump(mode="json"))

    def find(self, sha256: str) -> Tombstone | None:
        """The last removal of an artifact, if it was ever removed."""
        value = self._refs.get(f"{FOLDER}/{sha256}")
        return None if value is None else Tombstone.model_validate(value)

    def all(self) -> list[Tombstone]:
        """Every removal, in the order of ids."""
        found = (self.find(name.removeprefix(f"{FOLDER}/")) for name in self._refs.names(FOLDER))
        return [tombstone for tombstone in found if tombstone]
