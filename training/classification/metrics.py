"""Metrics of a classifier with bootstrap intervals, and the same for slices of the test split, the worst first."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.datasets.manifest import Item

Numbers = NDArray[np.int64]
Probabilities = NDArray[np.float64]
_BINS = 15
_RESAMPLES = 1000
_SMALLEST_SLICE = 5
_LENGTHS = ((40, "up to 40 characters"), (120, "41 to 120 characters"), (400, "121 to 400 characters"))


class Interval(BaseModel):
    """A metric with the 2.5th and 97.5th percentile of its bootstrap distribution."""

    model_config = ConfigDict(frozen=True)

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


class Slice(BaseModel):
    """The accuracy of the test items that have something in common, such as `language=de`."""

    model_config = ConfigDict(frozen=True)

    name: str
    items: int
    accuracy: Interval


class Metrics(BaseModel):
    """How well a classifier labels the test split, out-of-scope items aside; recall and F1 are means over labels."""

    model_config = ConfigDict(frozen=True)

    items: int
    accuracy: Interval
    macro_recall: Interval
    macro_f1: Interval
    calibration_error: float
    """Expected calibration error: the mean gap between confidence and accuracy in 15 bins."""
    recalls: dict[str, float]
    """By label; labels without test items are missing."""
    slices: list[Slice]
    """The worst first, by the upper end of the interval."""
    in_scope_recognized: float | None = None
    """The share of in-scope test items that are labelled right and above the threshold."""
    out_of_scope_recall: float | None = None
    """The share of out-of-scope test items below the threshold."""
    threshold: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """The test items with their labels by number, and the probabilities that a classifier gives them."""

    items: Sequence[Item]
    labels: Numbers
    probabilities: Probabilities
    names: Sequence[str]

    @property
    def predicted(self) -> Numbers:
        return self.probabilities.argmax(axis=1).astype(np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        return self.predicted == self.labels


def measure(tested: Outcome, outside: Probabilities, threshold: float) -> Metrics:
    """Measure on the test split. `outside` are the probabilities for out-of-scope items; there may be none."""
    labels, predicted = tested.labels, tested.predicted
    classes = len(tested.names)
    there = [number for number in range(classes) if (labels == number).any()]
    recalls = {tested.names[number]: float(tested.right[labels == number].mean()) for number in there}
    accepted = tested.right & (tested.probabilities.max(axis=1) >= threshold)
    return Metrics(
        items=len(labels),
        accuracy=_interval(labels, predicted, lambda truth, said: float((truth == said).mean())),
        macro_recall=_interval(labels, predicted, lambda truth, said: _per_label(truth, said, classes)[0]),
        macro_f1=_interval(labels, predicted, lambda truth, said: _per_label(truth, said, classes)[1]),
        calibration_error=calibration_error(tested.probabilities, labels),
        recalls=recalls,
        slices=_slices(tested),
        in_scope_recognized=float(accepted.mean()) if len(outside) else None,
        out_of_scope_recall=float((outside.max(axis=1) < threshold).mean()) if len(outside) else None,
        threshold=threshold,
    )


def calibration_error(probabilities: Probabilities, labels: Numbers) -> float:
    """The expected calibration error of the most probable labels, in 15 bins of equal width."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(right[bins == number].mean() - confidence[bins == number].mean()) * (bins == number).mean()
        for number in np.unique(bins)
    ]
    return float(sum(gaps))


def confusion(labels: Numbers, predicted: Numbers, classes: int) -> NDArray[np.int64]:
    """How many items of each label (rows) were given each label (columns)."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def paired_p_value(one_right: NDArray[np.bool_], other_right: NDArray[np.bool_]) -> float:
    """The exact McNemar test of two classifiers on the same items: two-sided p value."""
    from math import comb

    gained, lost = int((other_right & ~one_right).sum()), int((one_right & ~other_right).sum())
    differing = gained + lost
    tail = sum(comb(differing, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**differing)


def _per_label(labels: Numbers, predicted: Numbers, classes: int) -> tuple[float, float]:
    """Mean recall and mean F1 over the labels that have items."""
    matrix = confusion(labels, predicted, classes)
    hits, truth, said = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    there = truth > 0
    recall = hits[there] / truth[there]
    f1 = 2 * hits[there] / (truth[there] + said[there])
    return float(recall.mean()), float(f1.mean())


def _interval(labels: Numbers, predicted: Numbers, metric: Callable[[Numbers, Numbers], float]) -> Interval:
    """The metric, and its bootstrap interval over resampled items; the seed is fixed."""
    rng = np.random.default_rng(0)
    drawn = (rng.integers(0, len(labels), len(labels)) for _ in range(_RESAMPLES))
    values = [metric(labels[places], predicted[places]) for places in drawn]
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(value=metric(labels, predicted), low=float(low), high=float(high))


def _slices(tested: Outcome) -> list[Slice]:
    """The slices of five items or more, the worst first."""
    groups: dict[str, list[int]] = {}
    for place, item in enumerate(tested.items):
        for name in _slice_names(item):
            groups.setdefault(name, []).append(place)
    found = [
        Slice(name=name, items=len(places), accuracy=_share(tested.right[places]))
        for name, places in groups.items()
        if len(places) >= _SMALLEST_SLICE
    ]
    return sorted(found, key=lambda each: (each.accuracy.high, each.accuracy.value, each.name))


def _share(right: NDArray[np.bool_]) -> Interval:
    """A share with its Wilson interval, which is right for few items, too."""
    count, share, z = len(right), float(right.mean()), 1.96
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * float(np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)))
    return Interval(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))


def _slice_names(item: Item) -> Iterable[str]:
    yield f"label={item.label}"
    if item.language:
        yield f"language={item.language}"
    if item.source:
        yield f"source={item.source}"
    if item.text:
        length = len(item.text)
        yield "length: " + next((name for most, name in _LENGTHS if length <= most), "more than 400 characters")
