"""Find the stored transcript of a recording."""

from pydantic import ValidationError

from flows.library.indexing import TRANSCRIPT
from flows.running.platform import Space
from modalities.speech.requests import Transcribe, TranscriptDocument
from storage.artifacts import Artifact


def find_transcript(space: Space, recording: Artifact) -> TranscriptDocument | None:
    """Return the transcript by the current speech model, else the latest one by another model, else None.

    Only stored transcripts are read; no model runs.
    """
    answer = space.answers.find(Transcribe(model=space.profile.speech, audio=recording))
    document = answer.document if answer else _latest_stored(space, recording)
    try:
        return TranscriptDocument.model_validate_json(space.store.get(document)) if document else None
    except ValidationError:
        return None  # written by another version in another format


def _latest_stored(space: Space, recording: Artifact) -> Artifact | None:
    children = space.library.children(space.project, recording.sha256)
    transcripts = [row for row in children if row.name.endswith(TRANSCRIPT)]
    return (
        Artifact(sha256=transcripts[-1].artifact, media_type=transcripts[-1].media_type, size=transcripts[-1].size)
        if transcripts
        else None
    )
