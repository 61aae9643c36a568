"""Check cues against the rules of a style."""

from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest

from pydantic import BaseModel

from modalities.speech.subtitles.cues import Cue
from modalities.speech.subtitles.lines import ADDRESS, columns, is_wide, line_columns
from modalities.speech.subtitles.styles import MOST_LINES, Style

_TOLERANCE = 0.0015
"""Seconds: files have milliseconds."""


class Fault(BaseModel):
    """A rule that a cue breaks; `cue` is its number, from 1."""

    cue: int
    start_seconds: float
    rule: str


def check_cues(cues: Sequence[Cue], style: Style) -> list[Fault]:
    """Return every rule of the style that a cue breaks, in order."""
    return [
        Fault(cue=number, start_seconds=cue.start_seconds, rule=rule)
        for number, (cue, following) in enumerate(zip_longest(cues, cues[1:]), start=1)
        for rule in (*_text_faults(cue, following, style), *_time_faults(cue, following, style))
    ]


def _text_faults(cue: Cue, following: Cue | None, style: Style) -> Iterator[str]:
    lines = cue.text.split("\n")
    if not cue.text.strip():
        yield "it has no text"
    if len(lines) > MOST_LINES:
        yield f"it has {len(lines)} lines, and {MOST_LINES} are the most"
    limit = line_columns(cue.text, style)
    for line in lines:
        if columns(line) > limit and not ADDRESS.fullmatch(line.strip(".,;:!?()")):
            count, most = (len(line), limit // 2) if is_wide(cue.text) else (columns(line), limit)
            yield f"a line has {count} characters, and {most} are the most"
    broken = [*lines, *(following.text.split("\n")[:1] if following else [])]
    if any(_cuts_address(first, second) for first, second in pairwise(broken)):
        yield "an address is cut"


def _time_faults(cue: Cue, following: Cue | None, style: Style) -> Iterator[str]:
    seconds = cue.end_seconds - cue.start_seconds
    if seconds <= 0:
        yield "it ends before it begins"
        return
    if seconds < style.shortest_seconds - _TOLERANCE:
        yield f"it is shown for {seconds:.2f} s, and {style.shortest_seconds:.2f} s are the least"
    if seconds > style.longest_seconds + _TOLERANCE:
        yield f"it is shown for {seconds:.2f} s, and {style.longest_seconds:g} s are the most"
    speed = style.wide_characters_per_second if is_wide(cue.text) else style.characters_per_second
    read = len(cue.text.replace("\n", "")) / (seconds + _TOLERANCE)
    if speed and read > speed:
        yield f"it has {read:.1f} characters a second, and {speed:g} are the most"
    if following is None:
        return
    gap = following.start_seconds - cue.end_seconds
    if gap < -_TOLERANCE:
        yield f"it overlaps the next one by {-gap:.2f} s"
    elif gap < style.gap_seconds - _TOLERANCE:
        yield f"the gap to the next one is {gap:.2f} s, and {style.gap_seconds:.2f} s are the least"


def _cuts_address(first: str, second: str) -> bool:
    """Whether an address goes on over a line break: only where the break is inside a word that has its marks."""
    ends_open = first[-1:] in ("/", "@", "-", "_", "=", "&", "?", ":") or first.endswith((".", "www"))
    if not first or not second or not ends_open or not second[0].isalnum():
        return False
    tail, head = first.split()[-1], second.split()[0]
    found = ADDRESS.search(tail + head)
    return bool(found and found.start() < len(tail) < found.end() and ("/" in tail or "@" in tail or "www" in tail))
