"""What is said in a recording, as far as somebody has listened to it."""

from flows.platform import Space
from modalities.transcription import Transcribe, TranscriptDocument
from storage.artifacts import Artifact


def transcript_of(space: Space, recording: Artifact) -> TranscriptDocument | None:
    """The transcript that search looks into, if it was made; no model is asked."""
    heard = space.answers.find(Transcribe(model=space.profile.speech, audio=recording))
    return TranscriptDocument.model_validate_json(space.store.get(heard.document)) if heard else None
