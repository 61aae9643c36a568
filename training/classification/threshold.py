"""The probability below which an item is out of scope."""

import math

import numpy as np
from numpy.typing import NDArray

_KEPT = 0.97
"""Without examples that are out of scope, so many of the items that are labelled right stay above the threshold."""
_CANDIDATES = 200


def choose_threshold(held_out: NDArray[np.float64], labels: NDArray[np.int64], outside: NDArray[np.float64]) -> float:
    """Choose by held-out items, and by items that are out of scope if there are some.

    With such items: the threshold with the most of both, the share of items that are labelled right and kept, and the
    share of those out of scope that are recognized. Without: one that keeps 97 % of what is labelled right.
    """
    confidence = held_out.max(axis=1)
    right = held_out.argmax(axis=1) == labels
    if not right.any():
        return 0.0
    if not len(outside):
        return _rounded_down(float(np.quantile(confidence[right], 1 - _KEPT)))
    of_outside = outside.max(axis=1)
    candidates = np.quantile(np.concatenate([confidence, of_outside]), np.linspace(0, 1, _CANDIDATES))
    gains = [(right & (confidence >= t)).mean() + (of_outside < t).mean() for t in candidates]
    return _rounded_down(float(candidates[int(np.argmax(gains))]))


def _rounded_down(probability: float) -> float:
    return math.floor(probability * 1e4) / 1e4
