"""Rank candidates of one vector space by what somebody chose, by what others chose, and by diversity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
_DIVERSITY = 0.1
"""The weight of being unlike what is suggested already, in maximal marginal relevance."""
_WIDTH = 0.15
"""Of the kernel that makes a similarity of cosines: near choices count most, so that several tastes stay apart."""


@dataclass(frozen=True)
class Ranked:
    """A candidate, its relevance from 0 to 1, and the index of the choice that it is most like."""

    item: str
    score: float
    nearest: int


def rank(
    vectors: Mapping[str, Vectors],
    chosen: Vectors,
    weights: Sequence[float],
    others: Mapping[str, float],
    limit: int,
    diversity: float = _DIVERSITY,
) -> list[Ranked]:
    """Order the candidates by maximal marginal relevance, the best first.

    `vectors` are those of the candidates, L2-normalised, `chosen` those of the choices with the shape (choices,
    dimension), with their weights. `others` are preferences that the choices of others predict, of any scale.
    """
    if not vectors:
        return []
    items = list(vectors)
    matrix = np.stack([vectors[item] for item in items])
    cosines = matrix @ chosen.T
    relevance = _relevance(items, cosines, np.asarray(weights, np.float32), others)
    order = _diverse(matrix, relevance, limit, diversity)
    return [Ranked(items[row], round(float(relevance[row]), 4), int(cosines[row].argmax())) for row in order]


def _relevance(items: Sequence[str], cosines: Vectors, weights: Vectors, others: Mapping[str, float]) -> Vectors:
    """The logistic function of the z-score by similarity, plus that by the choices of others where these are known."""
    logits = _z_scores(np.log(np.exp((cosines - 1) / _WIDTH) @ weights + 1e-30))
    known = np.array([item in others for item in items])
    if known.any():
        logits[known] += _z_scores(np.array([others[item] for item in items if item in others], np.float32))
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def _z_scores(values: Vectors) -> Vectors:
    return (values - values.mean()) / max(float(values.std()), 1e-6)


def _diverse(matrix: Vectors, relevance: Vectors, limit: int, diversity: float) -> list[int]:
    """Maximal marginal relevance: each next one is relevant, and unlike those before it."""
    chosen: list[int] = []
    likeness = np.zeros(len(matrix), np.float32)
    left = np.ones(len(matrix), bool)
    while len(chosen) < min(limit, len(matrix)):
        gains = np.where(left, (1 - diversity) * relevance - diversity * likeness, -np.inf)
        best = int(gains.argmax())
        chosen.append(best)
        left[best] = False
        likeness = np.maximum(likeness, matrix @ matrix[best])
    return chosen
