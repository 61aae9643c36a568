"""The interface of a training recipe, its progress reports, and its loss log."""

import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

Progress = Callable[[str, int, int, float], None]
"""Called after each step with the stage, its steps done, all its steps, and the loss of the step."""

LOSSES = "losses.jsonl"
MODEL = "model"
"""The folder in a work folder with the model as it would be published."""


class TrainingError(Exception):
    """A training cannot start or continue; the message says in one sentence what to do."""


class DataChanged(TrainingError):
    """A training that was begun with other data cannot go on with this."""


class DataMissing(TrainingError):
    """The training data is missing."""


class TrainingRecipe(Protocol):
    """How to train one model, from data to a folder of weights with a card; the steps share the folder `work`."""

    def prepare(self, work: Path, data: Path | None) -> str:
        """Fetch the data or link the given folder, once; returns its size in words. Raises DataMissing."""
        ...

    def build(self, work: Path) -> Any:
        """The model before training: new, or with the initial weights in `work`."""
        ...

    def train(self, work: Path, model: Any, minutes: float, progress: Progress) -> None:
        """Train until done or the minutes are over; resumes from the last checkpoint in `work`."""
        ...

    def evaluate(self, folder: Path, work: Path, data: Path | None) -> Mapping[str, float]:
        """Evaluate the weights in a folder on `data`, by default on held-out data. Raises DataMissing."""
        ...

    def publish(self, work: Path, folder: Path) -> Mapping[str, float]:
        """Write the averaged weights of the last checkpoint, a loss plot and a model card; returns the metrics."""
        ...


def no_progress(_part: str, _done: int, _steps: int, _loss: float) -> None:
    """A Progress that ignores the reports."""


def deadline(minutes: float) -> float:
    """The Unix time in so many minutes, when a training has to end; infinity for one without a limit."""
    return time.time() + 60 * minutes if math.isfinite(minutes) else math.inf


def has_begun(work: Path) -> bool:
    """Whether a training has started in this folder."""
    return (work / LOSSES).exists()


def truncate_partial_line(log: Path) -> None:
    """Truncate a log after its last whole line: a killed run can leave a partial one."""
    if log.exists():
        os.truncate(log, log.read_bytes().rfind(b"\n") + 1)


def plot_losses(log: Path, picture: Path, points: int = 200) -> None:
    """Plot the loss of each stage over its steps as a PNG, averaged over windows of steps."""
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
    """The loss of each step of each stage; of a repeated step the last one written."""
    losses: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # a killed run can leave a partial line
        if "loss" in row:
            losses[row.get("part", "model")][row["step"]] = float(row["loss"])
    return dict(losses)
