"""Segments: stretches of speech with their words and times, as Whisper finds them in a piece of sound."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from media.sound import Piece


class Word(BaseModel):
    """A word with its punctuation, its times in seconds from the start, and how sure the model is (0 to 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(ge=0)
    end_seconds: float = Field(ge=0)
    text: str
    probability: float = Field(ge=0, le=1)


class Segment(BaseModel):
    """A stretch of speech, about a sentence; its words joined are its text, apart from outer spaces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(ge=0)
    end_seconds: float = Field(ge=0)
    text: str
    words: tuple[Word, ...] = ()


SEGMENTS = TypeAdapter(list[Segment])


def segments_of(found: Iterable[Any], piece: Piece) -> Iterator[Segment]:
    """Whisper's segments of one piece, as they come, with times within the recording."""
    for segment in found:
        text = segment.text.strip()
        if text:
            yield Segment(
                start_seconds=_at(segment.start, piece),
                end_seconds=_at(segment.end, piece),
                text=text,
                words=tuple(
                    Word(
                        start_seconds=_at(word.start, piece),
                        end_seconds=_at(word.end, piece),
                        text=word.word,
                        probability=round(min(max(float(word.probability), 0.0), 1.0), 4),
                    )
                    for word in segment.words or ()
                ),
            )


def _at(seconds: float, piece: Piece) -> float:
    """A time within a piece as a time within the recording, to the millisecond."""
    return round(min(piece.start_seconds + max(float(seconds), 0.0), piece.end_seconds), 3)
