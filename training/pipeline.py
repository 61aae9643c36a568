"""What every training recipe has: five steps on a work folder, and the same words for progress and measurements."""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

Progress = Callable[[str, int, int, float], None]
"""Told after each step: the part that is trained, its steps done, all its steps, the step's loss."""

LOSSES = "losses.jsonl"
MODEL = "model"
"""The folder in a work folder that holds the model as it would be published."""


class TrainingError(Exception):
    """A training cannot begin or go on; the message says in one sentence what a person can do."""


class DataMissing(TrainingError):
    """What the recipe learns from is not there."""


class Recipe(Protocol):
    """One model, from data to a folder of weights with a card. Everything between the steps lies in `work`."""

    def prepare(self, work: Path, data: Path | None) -> str:
        """Fetch or take the data, once; says what there is. Raises DataMissing."""
        ...

    def build(self, work: Path) -> Any:
        """The model where training starts: new, or from weights that were taken into `work`."""
        ...

    def train(self, work: Path, model: Any, minutes: float, progress: Progress) -> None:
        """Train until done or the minutes are over; goes on from the last checkpoint in `work`."""
        ...

    def evaluate(self, folder: Path, work: Path, data: Path | None) -> Mapping[str, float]:
        """Measure the weights in a folder on `data`, else on what training put aside. Raises DataMissing."""
        ...

    def publish(self, work: Path, folder: Path) -> Mapping[str, float]:
        """Write the averaged weights of the last checkpoint, their measurements, a loss plot and a model card."""
        ...


def no_progress(_part: str, _done: int, _steps: int, _loss: float) -> None:
    """For callers that do not watch."""


def has_begun(work: Path) -> bool:
    """Whether a training in this folder has left anything to go on from."""
    return (work / LOSSES).exists()


def truncate_partial_line(log: Path) -> None:
    """Take away what a killed run had written of its last line, so that the next one does not follow upon it."""
    if log.exists():
        os.truncate(log, log.read_bytes().rfind(b"\n") + 1)


def plot_losses(log: Path, picture: Path, points: int = 200) -> None:
    """The loss of each part over its steps, averaged over neighbouring steps, as a PNG."""
    from matplotlib.figure import Figure

    losses = read_losses(log) or {"no step is done": {}}
    figure = Figure(figsize=(8, 3), layout="constrained")
    for axes, (part, steps) in zip(figure.subplots(1, len(losses), squeeze=False)[0], losses.items(), strict=True):
        numbers = sorted(steps)
        width = max(1, len(numbers) // points)
        starts = range(0, len(numbers) - width + 1, width)
        means = [sum(steps[number] for number in numbers[at : at + width]) / width for at in starts]
        axes.plot([numbers[at] for at in starts], means)
        axes.set(title=part, xlabel="step", ylabel="loss", yscale="log")
    figure.savefig(picture, dpi=80)


def read_losses(log: Path) -> dict[str, dict[int, float]]:
    """Of each part, the last loss written for each step."""
    losses: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # a killed run may leave half a line
        if "loss" in row:
            losses[row.get("part", "model")][row["step"]] = float(row["loss"])
    return dict(losses)
