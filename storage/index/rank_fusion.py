"""Ranking: one order from several, over kinds of things whose scores cannot be compared."""

from collections.abc import Sequence

_FUSION = 60
_USUAL_DEVIATION, _DOUBT = 0.1, 5
"""Of cosines in one kind, and how many parts that assumption counts for."""


def fuse(rankings: Sequence[Sequence[int]]) -> dict[int, float]:
    """Reciprocal rank fusion: a part's score is the sum of 1 / (constant + rank)."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, part in enumerate(ranking, start=1):
            scores[part] = scores.get(part, 0.0) + 1 / (_FUSION + rank)
    return scores


def z_scores(nearness: dict[int, float]) -> dict[int, float]:
    """How far each part is nearer than the mean of its kind, in deviations; few parts say little about deviation."""
    if not nearness:
        return {}
    mean = sum(nearness.values()) / len(nearness)
    square = sum((near - mean) ** 2 for near in nearness.values())
    deviation = ((square + _DOUBT * _USUAL_DEVIATION**2) / (len(nearness) + _DOUBT)) ** 0.5
    return {part: (near - mean) / deviation for part, near in nearness.items()}
