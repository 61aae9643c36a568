"""The gate before publication: a candidate against the version in use, on the same frozen test items."""

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.classification.metrics import Outcome, paired_p_value

WORSE_OVERALL = 0.01
"""So much less accuracy is refused, whatever the paired test says; less of it if the test is significant."""
WORSE_CLASS = 0.1
"""So much less recall of a label is refused, if it is two items or more."""
_SIGNIFICANT = 0.05
_FEWEST_LOST = 2


class GateReport(BaseModel):
    """The comparison, and why the candidate is refused; no reasons: it may be published."""

    model_config = ConfigDict(frozen=True)

    items: int
    candidate_accuracy: float
    live_accuracy: float | None
    """Of the version in use; None if there is none, and the most frequent label is what must be beaten."""
    baseline_accuracy: float
    p_value: float | None
    """Of the exact McNemar test, two-sided."""
    recall_changes: dict[str, float]
    """By label: the recall of the candidate less that of the version in use, where they differ."""
    reasons: list[str]

    @property
    def passed(self) -> bool:
        return not self.reasons

    def __str__(self) -> str:
        beside = "no version is in use" if self.live_accuracy is None else f"{self.live_accuracy:.3f} in use"
        tested = "" if self.p_value is None else f", p = {self.p_value:.2g}"
        state = "passes" if self.passed else f"is refused: {' '.join(self.reasons)}"
        measured = f"Accuracy {self.candidate_accuracy:.3f} on {self.items} test items ({beside}{tested})"
        return f"{measured}. At the gate it {state}"


def compare(candidate: Outcome, live: Outcome | None) -> GateReport:
    """Compare on the same items, in the same order. Without a version in use, the most frequent label is to beat."""
    counts = np.unique(candidate.labels, return_counts=True)[1]
    baseline = float(counts.max() / counts.sum())
    accuracy = float(candidate.right.mean())
    if live is None:
        reasons = (
            []
            if accuracy > baseline or accuracy == 1
            else [f"Always saying the most frequent label is as right ({baseline:.3f})."]
        )
        p_value, changes = None, {}
    else:
        p_value = paired_p_value(live.right, candidate.right)
        changes = _recall_changes(candidate, live)
        reasons = _reasons(candidate, live, p_value)
    return GateReport(
        items=len(candidate.labels),
        candidate_accuracy=accuracy,
        live_accuracy=None if live is None else float(live.right.mean()),
        baseline_accuracy=baseline,
        p_value=p_value,
        recall_changes={label: change for label, (change, _) in changes.items()},
        reasons=reasons,
    )


def _reasons(candidate: Outcome, live: Outcome, p_value: float) -> list[str]:
    reasons: list[str] = []
    drop = float(live.right.mean() - candidate.right.mean())
    if drop > WORSE_OVERALL or (drop > 0 and p_value < _SIGNIFICANT):
        reasons.append(f"It is less accurate by {drop:.3f}.")
    for label, (change, lost) in _recall_changes(candidate, live).items():
        if -change > WORSE_CLASS and lost >= _FEWEST_LOST:
            reasons.append(f"It finds {-change:.0%} less of {label} ({lost} of the test items).")
    return reasons


def _recall_changes(candidate: Outcome, live: Outcome) -> dict[str, tuple[float, int]]:
    """By label: the change of recall, and how many items it lost in all; the worst first."""
    found: dict[str, tuple[float, int]] = {}
    for number, label in enumerate(candidate.names):
        mine = candidate.labels == number
        if mine.any():
            lost = int(live.right[mine].sum()) - int(candidate.right[mine].sum())
            if lost:
                found[label] = (-lost / int(mine.sum()), lost)
    return dict(sorted(found.items(), key=lambda each: each[1][0]))
