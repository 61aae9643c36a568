"""Give the segments of a transcript to speakers: a segment in which the speaker changes is split between words."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from modalities.speech.segments import Segment, Word, spoken_by

SpokenTurn = tuple[float, float, int]
"""The beginning and the end of a turn in seconds, and the number of its speaker."""
_SHORTEST_SECONDS = 1.0
"""A run of words that is shorter belongs to the speaker before or after it: turns are no more precise than that."""


def by_speaker(segments: Sequence[Segment], turns: Sequence[SpokenTurn]) -> tuple[Segment, ...]:
    """Return the segments with their speakers, in order of time. Where nobody speaks, it is the nearest speaker."""
    if not turns:
        return tuple(segments)
    return tuple(part for segment in segments for part in _parts(segment, turns))


def named(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Put "Speaker 1: " before each segment with which another speaker begins."""
    found: list[Segment] = []
    last: int | None = None
    for segment in segments:
        found.append(
            spoken_by(f"Speaker {segment.speaker}", segment) if segment.speaker not in (None, last) else segment
        )
        last = segment.speaker
    return tuple(found)


def _parts(segment: Segment, turns: Sequence[SpokenTurn]) -> Iterator[Segment]:
    if not segment.words:
        yield segment.model_copy(update={"speaker": _longest(segment.start_seconds, segment.end_seconds, turns)})
        return
    runs = _runs(segment.words, turns)
    if len(runs) == 1:
        yield segment.model_copy(update={"speaker": runs[0][0]})
        return
    for speaker, words in runs:
        yield Segment(
            start_seconds=words[0].start_seconds,
            end_seconds=words[-1].end_seconds,
            text="".join(word.text for word in words).strip(),
            words=tuple(words),
            speaker=speaker,
            mark=segment.mark,
        )


def _runs(words: Sequence[Word], turns: Sequence[SpokenTurn]) -> list[tuple[int, list[Word]]]:
    """Return the words by speaker, in order; a short run joins the run before it, the first one the run after it."""
    told = [(_longest(word.start_seconds, word.end_seconds, turns), word) for word in words]
    runs = [(speaker, [word for _, word in group]) for speaker, group in groupby(told, key=lambda each: each[0])]
    joined: list[tuple[int, list[Word]]] = []
    for number, (speaker, run) in enumerate(runs):
        if joined and (joined[-1][0] == speaker or _seconds(run) < _SHORTEST_SECONDS):
            joined[-1][1].extend(run)
        elif not joined and _seconds(run) < _SHORTEST_SECONDS and number + 1 < len(runs):
            joined.append((runs[number + 1][0], run))
        else:
            joined.append((speaker, run))
    return joined


def _seconds(words: Sequence[Word]) -> float:
    return words[-1].end_seconds - words[0].start_seconds


def _longest(start: float, end: float, turns: Sequence[SpokenTurn]) -> int:
    """Return who speaks longest within a stretch; if nobody does, who speaks nearest to it."""
    shares: dict[int, float] = {}
    for begin, until, speaker in turns:
        shares[speaker] = shares.get(speaker, 0.0) + max(min(end, until) - max(start, begin), 0.0)
    most = max(shares, key=lambda each: shares[each])
    if shares[most] > 0:
        return most
    return min(turns, key=lambda turn: max(turn[0] - end, start - turn[1]))[2]
