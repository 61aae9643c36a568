"""What the search index should have of an artifact, by what the bucket holds: no model runs and no file is read."""

from collections.abc import Mapping

from flows.library.reading.contents import find_contents, has_contents
from flows.library.reading.parts import Part, contents_parts, entry_of, is_heard, segment_parts
from flows.library.reading.text_in_pictures import ReadArtifact, stored_texts
from flows.running.platform import Space
from media.facts import CONTENTS
from modalities.speech.requests import Transcribe
from storage.index.parts import Entry, PartKind
from storage.records import ArtifactRecord


def expected_parts(space: Space, record: ArtifactRecord) -> list[Part] | None:
    """Return the parts that the index should have of an artifact.

    None if it has no stored transcript or contents although it should have. Runs no model and reads no file.
    """
    contents = find_contents(space, record.artifact) if has_contents(record.artifact, record) else None
    if contents is None and CONTENTS in record.properties:
        return None
    parts = contents_parts(space, record, contents, stored_texts(space, ReadArtifact(record, contents)))
    if is_heard(record):
        transcript = space.answers.find(Transcribe(model=space.profile.speech, audio=record.artifact))
        if transcript is None:
            return None
        parts += segment_parts(space, record, transcript)
    return parts


def expected_entries(
    space: Space, record: ArtifactRecord, labels: tuple[str, ...], serving: Mapping[PartKind, str]
) -> list[Entry] | None:
    """Return the entries that the index should have of an artifact, with empty vectors in their vector spaces.

    `serving` are the spaces that answer, where those are not of the profile's models. None as in `expected_parts`.
    """
    parts = expected_parts(space, record)
    if parts is None:
        return None
    profile = space.profile
    vectors: dict[PartKind, dict[str, list[float]]] = {}
    kinds: set[PartKind] = {part.kind for part in parts}
    for kind in kinds:
        model = profile.pictures if kind == "image" else profile.passages
        name = serving.get(kind) or space.platform.find_vector_space(model)
        vectors[kind] = {name: []} if name else {}
    return [entry_of(part, labels, vectors[part.kind]) for part in parts]
