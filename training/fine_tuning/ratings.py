"""Ratings: errors and correlations with bootstrap intervals, the gate, and a plot."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.classification.metrics import Interval
from training.datasets.folder import Dataset
from training.datasets.manifest import InvalidDataset

Values = NDArray[np.float64]
WORSE = 0.05
"""So much more root mean squared error is refused, whatever the paired test says; less of it if that is significant."""
_SIGNIFICANT = 0.05
_RESAMPLES = 1000
_FLIPS = 5000


class RatingMetrics(BaseModel):
    """Mean absolute error, root mean squared error, and the correlations of what is said with what is true."""

    model_config = ConfigDict(frozen=True)

    items: int
    mae: Interval
    rmse: Interval
    pearson: Interval
    spearman: Interval
    baseline_rmse: float
    """Of always saying the mean of the training examples."""

    def flat(self) -> dict[str, float]:
        """The numbers by their names."""
        found = {"test_items": float(self.items), "baseline_rmse": self.baseline_rmse}
        for name in ("mae", "rmse", "pearson", "spearman"):
            interval: Interval = getattr(self, name)
            found |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        return found


class RatingReport(BaseModel):
    """The comparison at the gate, and why the candidate is refused; no reasons: it may be published."""

    model_config = ConfigDict(frozen=True)

    items: int
    candidate_rmse: float
    live_rmse: float | None
    baseline_rmse: float
    p_value: float | None
    """Of the paired permutation test of squared errors, two-sided."""
    reasons: list[str]

    @property
    def passed(self) -> bool:
        return not self.reasons

    def __str__(self) -> str:
        beside = "no version is in use" if self.live_rmse is None else f"{self.live_rmse:.3f} in use"
        tested = "" if self.p_value is None else f", p = {self.p_value:.2g}"
        state = "passes" if self.passed else f"is refused: {' '.join(self.reasons)}"
        return f"Error {self.candidate_rmse:.3f} on {self.items} test items ({beside}{tested}). At the gate it {state}"


def ratings_at(dataset: Dataset, places: Sequence[int]) -> Values:
    """The labels of items as numbers. Raises InvalidDataset for one that is none."""
    found: list[float] = []
    for place in places:
        label = dataset.items[place].label or ""
        try:
            found.append(float(label.replace(",", ".")))
        except ValueError:
            found.append(float("nan"))
        if not np.isfinite(found[-1]):
            raise InvalidDataset(
                f"The label {label[:40]!r} in {dataset.facts.name} is no number: text-rating learns numbers; "
                "text-classification learns labels."
            )
    return np.array(found, np.float64)


def measure_ratings(truth: Values, said: Values, mean: float) -> RatingMetrics:
    """Measure on test items; `mean` is that of the training examples."""
    return RatingMetrics(
        items=len(truth),
        mae=_interval(truth, said, lambda a, b: float(np.abs(a - b).mean())),
        rmse=_interval(truth, said, _rmse),
        pearson=_interval(truth, said, _pearson),
        spearman=_interval(truth, said, lambda a, b: _pearson(_ranks(a), _ranks(b))),
        baseline_rmse=_rmse(truth, np.full(len(truth), mean)),
    )


def compare_ratings(truth: Values, said: Values, live: Values | None, mean: float) -> RatingReport:
    """Compare on the same items. Without a version in use, the mean of the training examples is to beat."""
    error, baseline = _rmse(truth, said), _rmse(truth, np.full(len(truth), mean))
    before = None if live is None else _rmse(truth, live)
    p_value = None if live is None else paired_permutation_p_value((said - truth) ** 2, (live - truth) ** 2)
    reasons: list[str] = []
    if before is None:
        if error >= baseline:
            reasons.append(f"Always saying the mean is as right (error {baseline:.3f}).")
    elif error > before * (1 + WORSE) or (error > before and p_value is not None and p_value < _SIGNIFICANT):
        reasons.append(f"Its error is larger by {error - before:.3f}.")
    return RatingReport(
        items=len(truth),
        candidate_rmse=error,
        live_rmse=before,
        baseline_rmse=baseline,
        p_value=p_value,
        reasons=reasons,
    )


def paired_permutation_p_value(one: Values, other: Values) -> float:
    """The paired permutation test of two means by random signs of the differences: two-sided; the seed is fixed."""
    differences = one - other
    signs = np.random.default_rng(0).choice((-1.0, 1.0), (_FLIPS, len(differences)))
    extreme = np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12
    return float((extreme.sum() + 1) / (_FLIPS + 1))


def plot_ratings(truth: Values, said: Values, picture: Path) -> None:
    """Draw what is said over what is true as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.5, 3.5), layout="constrained")
    axes = figure.subplots()
    ends = [min(truth.min(), said.min()), max(truth.max(), said.max())]
    axes.plot(ends, ends, linestyle=":", color="grey")
    axes.scatter(truth, said, s=6, alpha=0.4)
    axes.set(xlabel="is", ylabel="said")
    figure.savefig(picture, dpi=80)


def _interval(truth: Values, said: Values, metric: Callable[[Values, Values], float]) -> Interval:
    """The metric, and its bootstrap interval over resampled items; the seed is fixed."""
    rng = np.random.default_rng(0)
    drawn = (rng.integers(0, len(truth), len(truth)) for _ in range(_RESAMPLES))
    low, high = np.percentile([metric(truth[places], said[places]) for places in drawn], [2.5, 97.5])
    return Interval(value=metric(truth, said), low=float(low), high=float(high))


def _rmse(truth: Values, said: Values) -> float:
    return float(np.sqrt(np.square(truth - said).mean()))


def _pearson(one: Values, other: Values) -> float:
    """The correlation; 0 if one of the two is constant."""
    a, b = one - one.mean(), other - other.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size else 0.0


def _ranks(values: Values) -> Values:
    """Ranks, equal values sharing the mean of theirs."""
    _, numbers, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[numbers].astype(np.float64)
