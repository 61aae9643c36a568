"""Resolve the input of a request: an artifact of the library, or stored bytes without a record."""

import re
from dataclasses import dataclass

from flows.running.platform import Space
from storage.artifacts import Artifact
from storage.errors import ArtifactNotFound
from storage.records import ArtifactRecord, Kind, kind_of

_WHOLE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class InputArtifact:
    """An artifact, and its record if it belongs to the library."""

    artifact: Artifact
    record: ArtifactRecord | None

    @property
    def name(self) -> str:
        return self.record.name if self.record else self.artifact.sha256[:12]

    @property
    def kind(self) -> Kind:
        return kind_of(self.artifact.media_type)


def resolve_input(space: Space, identity: str) -> InputArtifact:
    """Find the artifact of an id, or of the beginning of an id in the library. Raises ArtifactNotFound."""
    try:
        record = space.records.resolve(identity)
    except ArtifactNotFound:
        unrecorded = space.store.find(identity) if _WHOLE.fullmatch(identity) else None
        if unrecorded is None:
            raise
        return InputArtifact(unrecorded, None)
    return InputArtifact(record.artifact, record)
