"""Run all steps of a training recipe, in a locked work folder."""

import math
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from storage.atomic_files import atomic_write
from training.pipeline import MODEL, Progress, TrainingError, TrainingRecipe, has_begun, no_progress


def train_recipe(
    recipe: TrainingRecipe,
    work: Path,
    *,
    data: Path | None = None,
    resume: bool = False,
    minutes: float = math.inf,
    progress: Progress = no_progress,
    say: Callable[[str], None] = lambda _: None,
) -> Mapping[str, float]:
    """Prepare, build, train, and publish to `work/model` with a model card; returns the metrics.

    Raises TrainingError, also when a training has started in `work` and `resume` is not set.
    """
    work.mkdir(parents=True, exist_ok=True)
    with _locked(work):
        if has_begun(work) and not resume:
            raise TrainingError(f"A training has begun in {work}: go on with --resume, or move that folder away.")
        say(recipe.prepare(work, data))
        recipe.train(work, recipe.build(work), minutes, progress)
        say("measuring and writing the card")
        with atomic_write(work / MODEL) as unfinished:
            return recipe.publish(work, unfinished)


@contextmanager
def _locked(work: Path) -> Generator[None]:
    """Lock the work folder: two trainings would overwrite each other's checkpoints. Raises TrainingError."""
    with (work / "lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError as error:
            raise TrainingError(f"A training goes on in {work}: let it end, or stop it first.") from error
        yield


class Estimate:
    """Estimate the time left in the current stage from the duration of its steps so far."""

    def __init__(self) -> None:
        self._part = ""
        self._first = 0
        self._started = 0.0

    def seconds_left(self, part: str, done: int, steps: int) -> float | None:
        """The seconds left in the stage; None at its first step."""
        now = time.monotonic()
        if part != self._part:
            self._part, self._first, self._started = part, done, now
        if done == self._first:
            return None
        return (steps - done) * (now - self._started) / (done - self._first)


def describe(part: str, done: int, steps: int, loss: float, seconds_left: float | None) -> str:
    """One line of progress for people: stage, step, loss and time left."""
    left = "" if seconds_left is None else f", {_duration(seconds_left)} left"
    said = "" if math.isnan(loss) else f", loss {loss:.4f}"  # the trainer does not report one after each step
    return f"{part}: step {done} of {steps}{said}{left}"


def _duration(seconds: float) -> str:
    minutes, hours = math.ceil(seconds / 60), seconds / 3600
    return f"{minutes} min" if hours < 2 else f"{hours:.1f} h"
