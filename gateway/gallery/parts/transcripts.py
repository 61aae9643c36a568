"""What is said in a recording, as far as somebody has listened to it."""

from pydantic import ValidationError

from flows.library.indexing import TRANSCRIPT
from flows.running.platform import Space
from modalities.speech.transcription import Transcribe, TranscriptDocument
from storage.artifacts import Artifact


def transcript_of(space: Space, recording: Artifact) -> TranscriptDocument | None:
    """The transcript that search looks into; the last one of another model if this one has not listened yet.

    No model is asked.
    """
    heard = space.answers.find(Transcribe(model=space.profile.speech, audio=recording))
    document = heard.document if heard else _last_kept(space, recording)
    try:
        return TranscriptDocument.model_validate_json(space.store.get(document)) if document else None
    except ValidationError:
        return None  # of a Triptych that wrote them in another form


def _last_kept(space: Space, recording: Artifact) -> Artifact | None:
    made = space.library.children(space.project, recording.sha256)
    kept = [row for row in made if row.name.endswith(TRANSCRIPT)]
    return Artifact(sha256=kept[-1].artifact, media_type=kept[-1].media_type, size=kept[-1].size) if kept else None
