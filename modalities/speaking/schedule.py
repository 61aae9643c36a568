"""Schedule a voice-over: how fast each utterance is spoken, and when it begins, so that it keeps up with the film."""

import math
from collections.abc import Sequence

FASTEST_PACE = 1.4
"""Faster speech is hard to follow."""
GAP_SECONDS = 0.1
"""The shortest silence between two utterances."""
_STEP = 0.05
"""Paces are multiples of this, so that the same text has the same few answers."""


def paces(starts: Sequence[float], durations: Sequence[float], end_seconds: float) -> list[float]:
    """Return the pace of each utterance, 1 to FASTEST_PACE: as slow as it can be to end before the next one begins.

    `durations` are those at the voice's own pace; the last utterance ends before `end_seconds`.
    """
    found: list[float] = []
    free = 0.0
    for number, (start, duration) in enumerate(zip(starts, durations, strict=True)):
        begin = max(start, free)
        until = starts[number + 1] if number + 1 < len(starts) else end_seconds
        room = until - GAP_SECONDS - begin
        needed = duration / room if room > 0 else FASTEST_PACE
        pace = min(max(math.ceil(needed / _STEP - 1e-9) * _STEP, 1.0), FASTEST_PACE)
        found.append(round(pace, 2))
        free = begin + duration / pace + GAP_SECONDS
    return found


def begins(starts: Sequence[float], durations: Sequence[float]) -> list[float]:
    """Return when each utterance begins, in seconds: at its start, or once the one before has ended."""
    found: list[float] = []
    free = 0.0
    for start, duration in zip(starts, durations, strict=True):
        found.append(max(start, free))
        free = found[-1] + duration + GAP_SECONDS
    return found
