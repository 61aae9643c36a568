"""Segments of speech with their words and times, converted from Whisper's output."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, TypeAdapter, model_serializer

from media.recordings.pieces import Window


class Word(BaseModel):
    """A word with its punctuation, its times in seconds from the start of the recording, and its probability."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(ge=0)
    end_seconds: float = Field(ge=0)
    text: str
    probability: float = Field(ge=0, le=1)


class Segment(BaseModel):
    """A segment of speech, about a sentence. Its text is the concatenation of its words without outer spaces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(ge=0)
    end_seconds: float = Field(ge=0)
    text: str
    words: tuple[Word, ...] = ()
    speaker: int | None = Field(default=None, ge=1, description="Who says it, if speakers were told apart.")
    mark: Literal["repeated", "made-up"] | None = Field(
        default=None, description="repeated: a loop of the model, collapsed; made-up: over silence or music."
    )

    @model_serializer(mode="wrap")
    def _without_unset(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document = serialize(self)
        unset = {name for name in ("mark", "speaker") if getattr(self, name) is None}
        return {name: value for name, value in document.items() if name not in unset}


SEGMENTS = TypeAdapter(list[Segment])


def segments_of(found: Iterable[Any], piece: Window) -> Iterator[Segment]:
    """Convert the segments of one piece, lazily, to segments with times within the recording; skip empty ones."""
    for segment in found:
        text = segment.text.strip()
        if text:
            yield Segment(
                start_seconds=_recording_time(segment.start, piece),
                end_seconds=_recording_time(segment.end, piece),
                text=text,
                words=tuple(
                    Word(
                        start_seconds=_recording_time(word.start, piece),
                        end_seconds=_recording_time(word.end, piece),
                        text=word.word,
                        probability=round(min(max(float(word.probability), 0.0), 1.0), 4),
                    )
                    for word in segment.words or ()
                ),
            )


def spoken_by(speaker: str, segment: Segment) -> Segment:
    """Put the name of who speaks before a segment."""
    name = Word(
        start_seconds=segment.start_seconds, end_seconds=segment.start_seconds, text=f"{speaker}: ", probability=1.0
    )
    words = (name, *segment.words) if segment.words else ()
    return segment.model_copy(update={"text": f"{speaker}: {segment.text}", "words": words})


def _recording_time(seconds: float, piece: Window) -> float:
    """Convert a time within a piece to a time within the recording, in seconds to the millisecond."""
    return round(min(piece.start_seconds + max(float(seconds), 0.0), piece.end_seconds), 3)
