"""Semi-supervised learning: fit again with the unlabelled items that the head is sure about, twice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modalities.classification.head import softmax
from training.classification.fit import Array, Examples, Fitted, fit_by_folds

_ROUNDS = 2
_WEIGHT = 0.5
"""How much a pseudo-label counts beside a label."""


@dataclass(frozen=True)
class Pseudo:
    """How many unlabelled items there were, and how many were used in the last round."""

    unlabelled: int
    used: int


def fit_with_pseudo_labels(
    labelled: Examples, unlabelled: Array, classes: int, supervised: Fitted, confidence: float
) -> tuple[Fitted, Pseudo]:
    """Label what is above the calibrated confidence, fit on both, and again with the better head."""
    fitted, used = supervised, 0
    for _ in range(_ROUNDS if len(unlabelled) else 0):
        probabilities = softmax((unlabelled @ fitted.weight.T + fitted.bias) / fitted.temperature)
        chosen = choose(probabilities, confidence)
        used = len(chosen)
        if not used:
            break
        weights = np.full(used, _WEIGHT, np.float32)
        extra = Examples(unlabelled[chosen], probabilities[chosen].argmax(axis=1).astype(np.int64), weights)
        # The loss is a mean: with more examples, the same prior is a smaller penalty.
        penalty = supervised.penalty * len(labelled) / (len(labelled) + used * _WEIGHT)
        fitted = fit_by_folds(labelled, classes, extra, [penalty])
    return fitted, Pseudo(unlabelled=len(unlabelled), used=used)


def choose(probabilities: NDArray[np.float64], confidence: float) -> NDArray[np.intp]:
    """The places of the items whose most probable label is above the confidence."""
    return np.flatnonzero(probabilities.max(axis=1) >= confidence)
