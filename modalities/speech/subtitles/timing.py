"""When cues are shown: long enough to be read, with gaps between them, and never far from what is said."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from modalities.speech.subtitles.lines import is_wide
from modalities.speech.subtitles.styles import Style

_PLAIN_MS = 1000
"""Without a shortest time, a shorter cue is extended to this duration, at most to the start of the next one."""
_LATE_MS, _EARLY_MS = 1200, 400
"""How much later or earlier than it is said a cue may begin, so that it or the one before can be read."""
_CHAIN_MS = 500
"""A shorter gap between two cues looks like a flicker: the first stays until the second comes."""


@dataclass(frozen=True)
class Timed:
    """The text of a cue, and when it is said, in milliseconds."""

    start: int
    end: int
    text: str


def reading_seconds(text: str, style: Style) -> float:
    """Return how long a text takes to be read, line breaks aside; at least the shortest time of a cue."""
    speed = style.wide_characters_per_second if is_wide(text) else style.characters_per_second
    characters = len(text.replace("\n", ""))
    return min(max(characters / speed if speed else 0.0, style.shortest_seconds), style.longest_seconds)


def timed(cues: Sequence[Timed], style: Style) -> list[tuple[int, int]]:
    """Return the start and end of each cue in milliseconds; none overlap."""
    gap, longest = _ms(style.gap_seconds), _ms(style.longest_seconds)
    needs = [min(_ms(reading_seconds(cue.text, style)) + 1, longest) for cue in cues]
    starts = _starts(cues, needs, gap)
    shown: list[tuple[int, int]] = []
    for number, (start, following) in enumerate(zip_longest(starts, starts[1:])):
        wanted = max(cues[number].end, start + max(needs[number], 1 if style.shortest_seconds else _PLAIN_MS))
        end = min(wanted, start + longest)
        if following is not None:
            last = following - gap if following - gap > start else following
            if style.gap_seconds and 0 < last - end < _CHAIN_MS and last - start <= longest:
                end = last
            end = min(end, last)
        shown.append((start, max(end, start + 1)))
    return shown


def _starts(cues: Sequence[Timed], needs: Sequence[int], gap: int) -> list[int]:
    """Return when each cue begins: a little later than it is said if the one before needs the time, or earlier."""
    if not gap:
        return _in_order([cue.start for cue in cues])
    starts: list[int] = []
    for number, cue in enumerate(cues):
        start = cue.start
        if number:
            start = min(max(start, starts[-1] + needs[number - 1] + gap), cue.start + _LATE_MS)
        starts.append(start)
    for number in range(len(cues) - 1, -1, -1):
        following = starts[number + 1] if number + 1 < len(cues) else None
        lacking = needs[number] + gap - (following - starts[number]) if following is not None else 0
        if lacking > 0:
            before = starts[number - 1] + needs[number - 1] + gap if number else 0
            earliest = max(before, cues[number].start - _EARLY_MS, 0)
            starts[number] = min(starts[number], max(starts[number] - lacking, earliest))
    return _in_order(starts)


def _in_order(starts: Sequence[int]) -> list[int]:
    """Move starts that are not after the one before."""
    found: list[int] = []
    for start in starts:
        found.append(max(start, found[-1] + 1) if found else start)
    return found


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
