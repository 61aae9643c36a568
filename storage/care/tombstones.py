"""Tombstones: which artifacts were removed on purpose, when and why, so that a restore leaves them out."""

from contextlib import suppress
from datetime import datetime

from pydantic import BaseModel, ConfigDict, TypeAdapter

from storage.bucket import Bucket
from storage.errors import RecordCorrupt
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


SHAPE = TypeAdapter(Tombstone)


class Tombstones:
    """The tombstones of one project."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._refs = Refs(bucket, project)

    def add(self, tombstone: Tombstone) -> None:
        """Store a tombstone; it replaces an earlier one of the same artifact. Raises RecordCorrupt."""
        self._refs.update(f"{FOLDER}/{tombstone.artifact}", lambda _: tombstone.model_dump(mode="json"), SHAPE)

    def find(self, sha256: str) -> Tombstone | None:
        """The latest tombstone of an artifact, or None. Raises RecordCorrupt."""
        return self._refs.get_as(f"{FOLDER}/{sha256}", SHAPE)

    def ids(self) -> set[str]:
        """The artifacts that have a tombstone, also those whose tombstone cannot be read."""
        return {name.removeprefix(f"{FOLDER}/") for name in self._refs.names(FOLDER)}

    def all(self) -> list[Tombstone]:
        """Every tombstone that can be read, in the order of ids; `triptych verify` reports the others."""
        found: list[Tombstone] = []
        for sha256 in sorted(self.ids()):
            with suppress(RecordCorrupt):
                tombstone = self.find(sha256)
                found += [tombstone] if tombstone else []
        return found
