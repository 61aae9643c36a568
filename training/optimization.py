"""AdamW with warm-up and linear decay, epochs with checkpoints to resume from exactly, batches of similar length."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modalities.classification.fine_tuned import cut_by_length
from storage.atomic_files import atomic_write
from training.classification.costs import cpu_seconds
from training.pipeline import LOSSES, Progress, TrainingError, truncate_partial_line

CHECKPOINT = "checkpoint.pt"
_POOL = 4096
"""Examples that are sorted by length together before they are cut into batches."""
_LARGEST_GRADIENT = 1.0
_LOG_STEPS = 10
Step = Callable[[int], Tensor]
"""The loss of a step; the number seeds what is random in it."""


@dataclass(frozen=True)
class Schedule:
    """Hyperparameters of AdamW. Training ends after `steps` or at `until` (Unix time), whichever is first; the learning
    rate rises linearly during warm-up and falls linearly to zero at that end."""

    learning_rate: float
    steps: int
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    until: float = math.inf


class Optimization:
    """The weights of a model in training, the state of their optimizer, and the step; resumed from a checkpoint."""

    def __init__(self, model: Any, schedule: Schedule, file: Path, seed: int) -> None:
        self.step = 0
        self.notes: dict[str, Any] = {}
        """Plain values of the caller that are kept in the checkpoint."""
        self._model, self._schedule, self._file, self._seed = model, schedule, file, seed
        matrices = [value for value in model.parameters() if value.dim() > 1]
        others = [value for value in model.parameters() if value.dim() <= 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": schedule.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98), eps=1e-6)
        self._began, self._done = time.time(), 0.0
        self._clock, self._spent = cpu_seconds(), 0.0
        if file.exists():
            self._resume()

    @property
    def cpu_seconds(self) -> float:
        """The processor time of all steps until now, of interrupted processes too."""
        return self._spent + cpu_seconds() - self._clock

    def fraction(self) -> float:
        """Progress of the schedule, from 0 to 1."""
        left = self._schedule.until - self._began
        timed = self._done + (1 - self._done) * (time.time() - self._began) / left if left > 0 else 1.0
        return min(1.0, max(self.step / self._schedule.steps, timed))

    def expected_steps(self) -> int:
        """Steps at the end of training; an estimate where time is the limit."""
        return max(self.step, min(self._schedule.steps, round(self.step / max(self.fraction(), 1e-9))))

    def seed_step(self) -> int:
        """Seed torch for the next step, so that dropout is the same after a resumption; returns the seed."""
        seed = self._seed * 1_000_003 + self.step
        torch.manual_seed(seed)
        return seed

    def learn(self, loss: Tensor) -> float:
        """One step down the gradient of a loss; returns the loss. Raises TrainingError if it is no number."""
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(f"The loss of step {self.step + 1} is {value}: lower learning_rate in the recipe.")
        fraction, warm = self.fraction(), self._schedule.warmup_share
        rate = self._schedule.learning_rate * min(fraction / warm if warm else 1.0, (1 - fraction) / (1 - warm), 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = max(rate, self._schedule.learning_rate / max(10, self._schedule.steps))
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), _LARGEST_GRADIENT)
        self._optimizer.step()
        self.step += 1
        return value

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "done": self.fraction(),
            "cpu_seconds": self.cpu_seconds,
            "notes": self.notes,
        }
        with atomic_write(self._file) as unfinished:
            torch.save(state, unfinished)

    def _resume(self) -> None:
        kept = torch.load(self._file, weights_only=True, map_location="cpu")
        self._model.load_state_dict(kept["model"])
        self._optimizer.load_state_dict(kept["optimizer"])
        self.step, self._done, self._spent = kept["step"], kept["done"], kept["cpu_seconds"]
        self.notes = kept["notes"]


def trained_weights(work: Path) -> dict[str, Any]:
    """The last checkpoint of a work folder: model, step, cpu_seconds and notes. Raises TrainingError."""
    if not (work / CHECKPOINT).exists():
        raise TrainingError(f"{work} has no checkpoint yet: train first.")
    return torch.load(work / CHECKPOINT, weights_only=True, map_location="cpu")


def batches_of(lengths: NDArray[np.int64], batch_tokens: int, seed: int) -> list[NDArray[np.int64]]:
    """Shuffle examples into batches of similar length whose padded size is at most `batch_tokens`, or one example."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths))
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), _POOL):
        pool = order[start : start + _POOL]
        batches += cut_by_length(pool[np.argsort(lengths[pool], kind="stable")], lengths, batch_tokens)
    return [batches[place] for place in rng.permutation(len(batches))]


def run_epochs(
    run: Optimization,
    steps_of: Callable[[int], Sequence[Step]],
    work: Path,
    progress: Progress,
    *,
    part: str,
    checkpoint_steps: int,
) -> None:
    """Take the steps of epoch after epoch until the schedule is over, from that of the checkpoint on.

    `part` names them in the log of losses, which is in the work folder, and in the progress.
    """
    epoch, before = 0, 0
    open_log(work)
    while run.fraction() < 1:
        steps = steps_of(epoch)
        for step in steps[max(0, run.step - before) :]:
            loss = run.learn(step(run.seed_step()))
            progress(part, run.step, run.expected_steps(), loss)
            log_loss(work, part, run.step, loss)
            if run.step % checkpoint_steps == 0:
                run.save()
            if run.fraction() >= 1:
                break
        before, epoch = before + len(steps), epoch + 1
    run.save()


def open_log(work: Path) -> None:
    """Begin or go on with the log of losses in a work folder."""
    (work / LOSSES).touch()
    truncate_partial_line(work / LOSSES)


def log_loss(work: Path, part: str, step: int, loss: float) -> None:
    """Log the loss of every tenth step."""
    if step % _LOG_STEPS == 0:
        with (work / LOSSES).open("a", encoding="utf-8") as log:
            log.write(json.dumps({"part": part, "step": step, "loss": round(loss, 4)}) + "\n")
