"""A recording is transcribed in pieces: which one is next, and the transcript that they are put together to."""

from collections.abc import Sequence

from modalities.speech.languages import separator
from modalities.speech.repetitions import collapsed, spoken
from modalities.speech.requests import (
    HEARING,
    UNDETERMINED,
    PieceTranscript,
    Transcribe,
    TranscribePiece,
    Transcript,
    TranscriptDocument,
)
from modalities.speech.segments import SEGMENTS, Segment
from storage.artifacts import ArtifactStore


def piece_request(request: Transcribe, number: int) -> TranscribePiece:
    """Return the request for a piece by its number, from 0, in the language of the request."""
    return TranscribePiece(
        model=request.model,
        audio=request.audio,
        number=number,
        language=request.language,
        task=request.task,
        **request.model_dump(include=set(HEARING)),
    )


def with_language(request: Transcribe, pieces: Sequence[PieceTranscript], store: ArtifactStore) -> Transcribe:
    """Return the request with the language of the first piece with speech, unless it names a language itself."""
    if request.language:
        return request
    return request.model_copy(update={"language": language_of(pieces, store)[0]})


def language_of(pieces: Sequence[PieceTranscript], store: ArtifactStore) -> tuple[str | None, float]:
    """Return the language of the first piece with speech, and its probability; None if no piece has any."""
    for piece in pieces:
        if piece.language and piece_segments(piece, store):
            return piece.language, piece.language_probability
    return None, 0.0


def piece_segments(piece: PieceTranscript, store: ArtifactStore) -> list[Segment]:
    """Read the segments of a piece, as the model gave them."""
    return SEGMENTS.validate_json(store.get(piece.segments))


def assemble(request: Transcribe, pieces: Sequence[PieceTranscript], store: ArtifactStore) -> Transcript:
    """Put the transcript of a recording together from those of all of its pieces, in order."""
    language, probability = language_of(pieces, store)
    if request.language and pieces[0].language:
        language, probability = pieces[0].language, 1.0
    tag = language or UNDETERMINED
    document = TranscriptDocument(
        language=tag,
        task=request.task,
        duration_seconds=round(pieces[-1].end_seconds, 3),
        segments=tuple(collapsed(segment for piece in pieces for segment in piece_segments(piece, store))),
    )
    between = separator("en" if request.task == "translate" else tag)
    return Transcript(
        language=tag,
        language_probability=round(probability, 4),
        duration_seconds=document.duration_seconds,
        text=between.join(segment.text for segment in spoken(document.segments)),
        document=store.put(document.model_dump_json().encode(), "application/json"),
    )
