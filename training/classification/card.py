"""The model card of a classifier, and its plots."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from training.classification.costs import TrainingFacts
from training.classification.metrics import Metrics, Outcome, Slice, confusion
from training.datasets.folder import DatasetFacts

_MOST_LABELS = 30
"""A larger confusion matrix shows the labels that are confused most."""
_SHOWN = 12
_BINS = 10


class ClassifierFacts(Protocol):
    """What a classifier of any kind says about itself."""

    @property
    def kind(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def encoder(self) -> str: ...
    @property
    def threshold(self) -> float: ...


def model_card(head: ClassifierFacts, dataset: DatasetFacts, metrics: Metrics, facts: TrainingFacts, made: str) -> str:
    """A page about a version: what it is for, its data, metrics with intervals, its worst slices, its cost."""
    return "\n".join(
        [
            f"# A classifier of {head.kind}",
            "",
            f"{made} `{head.encoder}`, trained by the recipe `{facts.recipe}` "
            f"on `{dataset.name}` (version `{dataset.digest[:12]}`).",
            "",
            f"- Labels ({len(head.labels)}): {_listed(head.labels)}",
            f"- Licence of the data: {dataset.licence or 'not stated'}",
            f"- Below a probability of {head.threshold:g} it says that an item is none of these.",
            facts.origin,
            "",
            f"## Measured on {metrics.items} test items",
            "",
            "| | value (95 % interval by bootstrap) |",
            "|---|---|",
            f"| accuracy | {metrics.accuracy} |",
            f"| macro recall | {metrics.macro_recall} |",
            f"| macro F1 | {metrics.macro_f1} |",
            f"| expected calibration error | {metrics.calibration_error:.3f} |",
            *_scope(metrics),
            *_beside(facts),
            "",
            "## Where it is worst",
            "",
            *_slices(metrics.slices),
            "",
            "![Confusion](confusion.png) ![Calibration](calibration.png)",
            "",
            "## Limits",
            "",
            "It knows what people labelled in this dataset, and repeats their mistakes and preferences. A slice with "
            "few items says little: its interval is wide. Do not let it decide alone about people.",
            "",
        ]
    )


def plot_confusion(tested: Outcome, picture: Path) -> None:
    """Draw the confusion matrix as a PNG, each row as shares; of many labels, those that are confused most."""
    from matplotlib.figure import Figure

    matrix = confusion(tested.labels, tested.predicted, len(tested.names))
    wrong = matrix.sum(axis=1) - np.diag(matrix)
    shown = np.sort(np.argsort(-wrong, kind="stable")[:_MOST_LABELS])
    part = matrix[np.ix_(shown, shown)]
    shares = part / np.maximum(matrix[shown].sum(axis=1, keepdims=True), 1)
    names: list[str] = [str(tested.names[number]) for number in shown.tolist()]
    side = max(3.0, 0.28 * len(names) + 2)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    axes.set(xlabel="said", ylabel="is")
    axes.set_xticks(range(len(names)), labels=names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), labels=names, fontsize=7)
    figure.savefig(picture, dpi=80)


def plot_calibration(tested: Outcome, picture: Path) -> None:
    """Draw the accuracy of predictions over their confidence as a PNG: on the diagonal where it is calibrated."""
    from matplotlib.figure import Figure

    confidence = tested.probabilities.max(axis=1)
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    there = np.unique(bins)
    figure = Figure(figsize=(3.5, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.plot(
        [confidence[bins == n].mean() for n in there], [tested.right[bins == n].mean() for n in there], marker="o"
    )
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    figure.savefig(picture, dpi=80)


def _scope(metrics: Metrics) -> list[str]:
    if metrics.in_scope_recognized is None or metrics.out_of_scope_recall is None:
        return []
    return [
        f"| in scope: labelled right and above {metrics.threshold:g} | {metrics.in_scope_recognized:.3f} |",
        f"| out of scope: below {metrics.threshold:g} | {metrics.out_of_scope_recall:.3f} |",
    ]


def _beside(facts: TrainingFacts) -> list[str]:
    numbers = facts.metrics
    if "supervised_accuracy" not in numbers:
        return []
    return [
        f"| accuracy of the supervised baseline | {numbers['supervised_accuracy']:.3f} "
        f"({numbers['supervised_accuracy_low']:.3f} to {numbers['supervised_accuracy_high']:.3f}) |",
        f"| p value of the paired test against it | {numbers['paired_p_value']:.2g} |",
        f"| pseudo-labelled items | {numbers['pseudo_labelled']:.0f} |",
    ]


def _slices(slices: Sequence[Slice]) -> list[str]:
    if not slices:
        return ["No slice has five test items."]
    rows = [f"| {each.name.replace('|', '/')} | {each.items} | {each.accuracy} |" for each in slices[:_SHOWN]]
    return ["| slice | test items | accuracy |", "|---|---:|---|", *rows]


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _MOST_LABELS} more" if len(labels) > _MOST_LABELS else ""
    return ", ".join(labels[:_MOST_LABELS]) + more
