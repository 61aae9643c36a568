"""What a request is about: an artifact of the library, or bytes that were only brought along to ask about them."""

import re
from dataclasses import dataclass

from flows.running.platform import Space
from storage.artifacts import Artifact
from storage.errors import ArtifactNotFound
from storage.records import ArtifactRecord, Kind, kind_of

_WHOLE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class InputArtifact:
    """An artifact, and its record when it belongs to the library."""

    artifact: Artifact
    record: ArtifactRecord | None

    @property
    def name(self) -> str:
        return self.record.name if self.record else self.artifact.sha256[:12]

    @property
    def kind(self) -> Kind:
        return kind_of(self.artifact.media_type)


def resolve_input(space: Space, identity: str) -> InputArtifact:
    """What an id, or its beginning, stands for. Raises ArtifactNotFound."""
    try:
        record = space.records.resolve(identity)
    except ArtifactNotFound:
        brought = space.store.find(identity) if _WHOLE.fullmatch(identity) else None
        if brought is None:
            raise
        return InputArtifact(brought, None)
    return InputArtifact(record.artifact, record)
