"""Requests and results of transcription: what is said in a recording, in which language, with the time of each word."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from modalities.contract import Request, Result
from modalities.speech.repetitions import spoken
from modalities.speech.segments import Segment
from storage.artifacts import Artifact, ArtifactStore

Vad = Literal["model", "on", "off"]
UNDETERMINED = "und"
"""BCP 47 for a recording without speech."""


HEARING = frozenset({"prompt", "vocabulary", "vad", "track", "channel"})
"""The fields that say how a recording is heard: those of pieces are those of the whole."""


class Transcript(Result):
    """`language` is the spoken one, in BCP 47 (und: no speech); `text` is in it, or in English after task translate."""

    language: str
    language_probability: float
    duration_seconds: float
    text: str
    document: Artifact = Field(description="application/json: the segments with their words; see read_segments.")


class Transcribe(Request[Transcript]):
    """Transcribe the speech in a recording: any audio or video file."""

    added_fields: ClassVar[frozenset[str]] = HEARING

    audio: Artifact
    language: str | None = Field(default=None, description="BCP 47; detected if not given.")
    task: Literal["transcribe", "translate"] = Field(
        default="transcribe", description="translate: into English, in one step."
    )
    prompt: str = Field(
        default="", description="A text in the style of the transcript, with names as they are written."
    )
    vocabulary: tuple[str, ...] = Field(default=(), description="Words that are likely to be said.")
    vad: Vad = Field(
        default="model", description="Leave out what is no speech before transcription; model: its own way."
    )
    track: str = Field(
        default="", description="Number from 1, or language of the track to hear; the default one if empty."
    )
    channel: int | None = Field(default=None, ge=0, description="The only channel to hear, from 0; None: all, mixed.")


class PieceTranscript(Result):
    """The transcript of one piece of a recording; `language` is None if the piece is too short to have one.

    `expected_seconds` is the duration of the whole recording by its header, 0 if that says nothing.
    """

    end_seconds: float
    is_last: bool
    expected_seconds: float
    language: str | None
    language_probability: float
    segments: Artifact = Field(description="application/json: the segments, with times within the recording.")


class TranscribePiece(Request[PieceTranscript]):
    """Transcribe one piece of a recording (see media.recordings.pieces): any free process can, in any order."""

    added_fields: ClassVar[frozenset[str]] = HEARING

    audio: Artifact
    number: int = Field(ge=0, description="From 0.")
    language: str | None
    task: Literal["transcribe", "translate"]
    prompt: str = ""
    vocabulary: tuple[str, ...] = ()
    vad: Vad = "model"
    track: str = ""
    channel: int | None = None


class TranscriptDocument(BaseModel):
    """The content of the artifact `Transcript.document`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: str
    task: Literal["transcribe", "translate"]
    duration_seconds: float
    segments: tuple[Segment, ...]


def read_segments(store: ArtifactStore, transcript: Transcript) -> tuple[Segment, ...]:
    """Read the segments of a transcript, in order of time, without those that the model made up."""
    return spoken(TranscriptDocument.model_validate_json(store.get(transcript.document)).segments)
