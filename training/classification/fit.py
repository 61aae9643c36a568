"""Fit a linear head: logistic regression by L-BFGS, whose penalty and temperature held-out items decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from modalities.classification.head import softmax

Array = NDArray[np.float32]
Numbers = NDArray[np.int64]
PENALTIES = (3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
"""The weights of the squared norm that are tried, the strongest first: each begins where the one before ended."""
_FOLDS = 5
_ITERATIONS = 60
_TEMPERATURES = np.geomspace(0.2, 5.0, 41)


@dataclass(frozen=True)
class Fitted:
    """A linear head, its temperature, and the calibrated probabilities of the items that it was calibrated on."""

    weight: Array
    bias: Array
    temperature: float
    penalty: float
    held_out: NDArray[np.float64]
    """Probabilities of items that this penalty was not fitted on: shape (items, labels)."""
    held_out_labels: Numbers


@dataclass(frozen=True)
class Examples:
    """Vectors with the numbers of their labels, and how much each counts."""

    vectors: Array
    labels: Numbers
    weights: Array

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, places: NDArray[np.intp] | Sequence[int]) -> "Examples":
        """Some of them."""
        return Examples(self.vectors[places], self.labels[places], self.weights[places])


def examples(vectors: Array, labels: Numbers, weight: float = 1.0) -> Examples:
    """Examples that all count the same."""
    return Examples(vectors, labels, np.full(len(labels), weight, np.float32))


def joined(one: Examples, other: Examples) -> Examples:
    """The examples of both."""
    return Examples(
        np.concatenate([one.vectors, other.vectors]),
        np.concatenate([one.labels, other.labels]),
        np.concatenate([one.weights, other.weights]),
    )


def fit_with_validation(training: Examples, validation: Examples, classes: int) -> Fitted:
    """Fit on both splits, with the penalty and temperature that are best for the validation split."""
    tried = _path(training, classes, PENALTIES)
    logits = [validation.vectors @ weight.T + bias for weight, bias in tried]
    best = int(np.argmin([calibrated_loss(each, validation.labels)[0] for each in logits]))
    _, temperature = calibrated_loss(logits[best], validation.labels)
    weight, bias = _path(joined(training, validation), classes, PENALTIES[best : best + 1])[0]
    return Fitted(weight, bias, temperature, PENALTIES[best], softmax(logits[best] / temperature), validation.labels)


def fit_with_tenth_held_out(training: Examples, classes: int) -> Fitted:
    """The same with a tenth of the training examples as validation, for many examples without such a split."""
    folds = _folds(training.labels, 10)
    return fit_with_validation(training.at(np.flatnonzero(folds > 0)), training.at(np.flatnonzero(folds == 0)), classes)


def fit_by_folds(
    training: Examples, classes: int, extra: Examples | None = None, penalties: Sequence[float] = PENALTIES
) -> Fitted:
    """Fit on all examples; cross-validation decides penalty and temperature. For few examples.

    `extra` examples, such as pseudo-labelled ones, are fitted on in every fold, and never held out.
    """
    folds = _folds(training.labels, _FOLDS)
    logits = np.zeros((len(penalties), len(training), classes), np.float32)
    for fold in range(folds.max() + 1):
        held, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        fitted_on = joined(training.at(rest), extra) if extra else training.at(rest)
        for number, (weight, bias) in enumerate(_path(fitted_on, classes, penalties)):
            logits[number, held] = training.vectors[held] @ weight.T + bias
    best = int(np.argmin([calibrated_loss(each, training.labels)[0] for each in logits]))
    _, temperature = calibrated_loss(logits[best], training.labels)
    whole = joined(training, extra) if extra else training
    weight, bias = _path(whole, classes, penalties[: best + 1])[-1]
    return Fitted(weight, bias, temperature, penalties[best], softmax(logits[best] / temperature), training.labels)


def _path(given: Examples, classes: int, penalties: Sequence[float]) -> list[tuple[Array, Array]]:
    """The weight and bias for each penalty, in turn."""
    from scipy.optimize import minimize

    scale = np.float32(np.sqrt(given.vectors.shape[1]))  # unit vectors have small components
    vectors = np.ascontiguousarray(given.vectors * scale)
    start = np.zeros((vectors.shape[1] + 1) * classes)
    found: list[tuple[Array, Array]] = []
    for penalty in penalties:
        loss = partial(_loss_and_gradient, vectors, given.labels, given.weights, classes, penalty)
        start = minimize(loss, start, method="L-BFGS-B", jac=True, options={"maxiter": _ITERATIONS}).x
        weight, bias = _unpack(start, classes)
        found.append((weight * scale, bias))
    return found


def _unpack(parameters: NDArray[np.float64], classes: int) -> tuple[Array, Array]:
    """The weight (classes, dimension) and the bias (classes,) in a flat array."""
    matrix = parameters.astype(np.float32).reshape(classes, -1)
    return matrix[:, :-1], matrix[:, -1]


def _loss_and_gradient(
    vectors: Array, labels: Numbers, counts: Array, classes: int, penalty: float, parameters: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """The mean cross-entropy with the penalty on the squared norm, and its gradient."""
    weight, bias = _unpack(parameters, classes)
    logits = vectors @ weight.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    rows, shares = np.arange(len(labels)), counts / counts.sum()
    raised = np.exp(logits)
    sums = raised.sum(axis=1, keepdims=True)
    loss = float(((np.log(sums[:, 0]) - logits[rows, labels]) * shares).sum()) + penalty * float(
        np.square(weight).sum()
    )
    slopes = raised / sums
    slopes[rows, labels] -= 1
    slopes *= shares[:, None]
    of_weight = slopes.T @ vectors + 2 * penalty * weight
    return loss, np.concatenate([of_weight, slopes.sum(axis=0)[:, None]], axis=1).astype(np.float64).ravel()


def calibrated_loss(logits: Array, labels: Numbers) -> tuple[float, float]:
    """The least negative log-likelihood over temperatures, and the temperature that has it.

    Targets are smoothed as Platt proposed, by the number of items: few items that are all right do not prove certainty.
    """
    count, classes = logits.shape
    target = (count + 1) / (count + 2)
    losses: list[float] = []
    for temperature in _TEMPERATURES:
        scores = np.log(np.maximum(softmax(logits / temperature), 1e-12))
        of_label = scores[np.arange(count), labels]
        others = (scores.sum(axis=1) - of_label) / max(classes - 1, 1)
        losses.append(-float((target * of_label + (1 - target) * others).mean()))
    best = int(np.argmin(losses))
    return losses[best], float(_TEMPERATURES[best])


def _folds(labels: Numbers, count: int) -> Numbers:
    """The number of the fold of each example: the examples of each label are spread evenly."""
    folds = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        folds[places] = np.arange(len(places)) % count
    return folds
