"""Rank fusion: merge rankings whose scores cannot be compared."""

from collections.abc import Sequence

_FUSION = 60
"""The constant of reciprocal rank fusion."""
_PRIOR_DEVIATION, _PRIOR_WEIGHT = 0.1, 5
"""The usual standard deviation of the cosines in one kind, and the number of samples that this prior counts for."""


def fuse(rankings: Sequence[Sequence[int]]) -> dict[int, float]:
    """Reciprocal rank fusion: a part's score is the sum of 1 / (constant + rank)."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, part in enumerate(ranking, start=1):
            scores[part] = scores.get(part, 0.0) + 1 / (_FUSION + rank)
    return scores


def z_scores(similarities: dict[int, float]) -> dict[int, float]:
    """The z-score of each part's cosine similarity within its kind, with a prior on the standard deviation."""
    if not similarities:
        return {}
    mean = sum(similarities.values()) / len(similarities)
    squares = sum((similarity - mean) ** 2 for similarity in similarities.values())
    deviation = ((squares + _PRIOR_WEIGHT * _PRIOR_DEVIATION**2) / (len(similarities) + _PRIOR_WEIGHT)) ** 0.5
    return {part: (similarity - mean) / deviation for part, similarity in similarities.items()}
