"""What SubRip and WebVTT have in common: the line with the times of a cue, and tags in its text."""

import re
from collections.abc import Sequence

TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")
"""<i>, <c.red>, </v>; <00:01.500>, as karaoke has it; {\\an8}, which comes from other formats."""
_TIMES = re.compile(r"\s*(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})\s*-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})")


def cue_times(line: str) -> tuple[float, float] | None:
    """Return the start and end in seconds that a line gives, whatever settings follow; None for any other line."""
    found = _TIMES.match(line)
    return (_seconds(found.groups()[:4]), _seconds(found.groups()[4:])) if found else None


def without_tags(text: str) -> str:
    """Return the text that is shown."""
    return TAG.sub("", text)


def _seconds(parts: Sequence[str | None]) -> float:
    """Add up hours, minutes, seconds and a decimal fraction: .5 is half a second."""
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000
