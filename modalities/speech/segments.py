"""Segments of speech with their words and times, converted from Whisper's output."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from media.sound import Piece


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


SEGMENTS = TypeAdapter(list[Segment])


def segments_of(found: Iterable[Any], piece: Piece) -> Iterator[Segment]:
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


def _recording_time(seconds: float, piece: Piece) -> float:
    """Convert a time within a piece to a time within the recording, in seconds to the millisecond."""
    return round(min(piece.start_seconds + max(float(seconds), 0.0), piece.end_seconds), 3)
