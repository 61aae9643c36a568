"""Collapse what Whisper repeats, and mark what it makes up where nobody speaks."""

import re
import unicodedata
from collections.abc import Iterable
from itertools import groupby

from modalities.speech.segments import Segment

_MOST_EQUAL_LINES = 2
"""A chorus or an answer is said twice; a line that comes three times in a row is a loop of the decoder."""
_LOOP = re.compile(r"(?<!\w)(\D{3,80}?)(?:[\s,.!?、。-]*\1){4,}(?!\w)", re.IGNORECASE)
"""The same words five times in a row or more."""
_MADE_UP = re.compile(
    r"""
    .*\bamara\.org.* | .*字幕.*(志愿者|提供|由).* | .*(请不吝点赞|订阅).* | .*ご視聴ありがとうございました.*
    | (thanks|thank\ you)\ (so\ much\ )?for\ watching | .*\bsubscribe\ to\ (my|our|the)\ channel
    | untertitel(ung)?\ (im\ auftrag|von|der)\b.* | .*\bsous-titr(es|age).*\b(soci[ée]t[ée]|st'|par).*
    | sottotitoli\b.*
    | subt[ií]tulos\ (por|realizados)\b.* | legendas\ pela\ comunidade.* | .*субтитры\ (сделал|создавал|делал).*
    | 시청해주셔서\ 감사합니다 | transcri(pt|bed)\ by\b.*
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Credits of subtitles that Whisper was trained on, and writes over silence and music."""


def collapsed(segments: Iterable[Segment]) -> list[Segment]:
    """Return the segments with loops collapsed to one line, marked `repeated`, and credits marked `made-up`."""
    found: list[Segment] = []
    for _, group in groupby((_without_loop(segment) for segment in segments), key=lambda each: _normal(each.text)):
        lines = list(group)
        if len(lines) > _MOST_EQUAL_LINES:
            merged = lines[0].model_copy(update={"end_seconds": lines[-1].end_seconds, "mark": "repeated"})
            lines = [merged]
        found += [_marked(line) for line in lines]
    return found


def spoken(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Leave out what is marked as made up."""
    return tuple(segment for segment in segments if segment.mark != "made-up")


def _without_loop(segment: Segment) -> Segment:
    shorter = _LOOP.sub(r"\1", segment.text)
    if shorter == segment.text:
        return segment
    # The words are those of the loop: the text that remains is timed by its width.
    return segment.model_copy(update={"text": shorter.strip(), "words": (), "mark": "repeated"})


def _marked(segment: Segment) -> Segment:
    return segment.model_copy(update={"mark": "made-up"}) if _MADE_UP.fullmatch(_normal(segment.text)) else segment


def _normal(text: str) -> str:
    """Return the words of a text in lower case, without punctuation at its ends."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split()).strip(" .,!?…。！？♪-[]()*")
