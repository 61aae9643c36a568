"""The training loop of the translators, the same on a CPU and on a GPU."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import get_ema_multi_avg_fn

from storage.atomic_files import atomic_write
from training.pipeline import LOSSES, Progress, TrainingError, no_progress, truncate_partial_line
from training.translation.batches import Batch, Batches
from training.translation.pack import Array, PackedPairs, epoch_batches

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class LoopSettings:
    """Hyperparameters. Training ends after `steps` or at `until` (Unix time), whichever is first; the learning rate
    rises linearly during warm-up and decays linearly to zero at that end."""

    batch_tokens: int
    longest: int
    learning_rate: float
    warmup_steps: int
    steps: int
    until: float
    checkpoint_steps: int
    average_decay: float
    label_smoothing: float
    seed: int
    bfloat16: bool
    compiled: bool = False
    log_steps: int = 10


def fit(
    model: Any,
    pack: PackedPairs,
    batches: Batches,
    settings: LoopSettings,
    work: Path,
    progress: Progress = no_progress,
    checkpoint: Callable[[int, Mapping[str, Tensor]], None] = lambda _step, _average: None,
) -> dict[str, Tensor]:
    """Train a model in place and return the exponential moving average of its weights.

    Resumes from a checkpoint in `work`. `checkpoint` is called with step and average whenever one has been written.
    """
    run = _Trainer(model, settings, work / CHECKPOINT)
    rows = _from_step(epoch_batches(pack, settings.batch_tokens, settings.longest, settings.seed), run.step)
    log = _Log(work / LOSSES, settings.log_steps)
    model.train()
    while run.fraction() < 1:
        batch = batches(next(rows))
        loss = log.add(run.step + 1, run.learn(batch), len(batch.labels), run.rate)
        progress("model", run.step, run.expected_steps(), loss)
        if run.step % settings.checkpoint_steps == 0:
            run.save()
            checkpoint(run.step, run.average)
    run.save()
    checkpoint(run.step, run.average)
    return run.average


def averaged_weights(work: Path) -> tuple[int, dict[str, Tensor]]:
    """Step and averaged weights of the last checkpoint in `work`. Raises TrainingError."""
    if not (work / CHECKPOINT).exists():
        raise TrainingError(f"{work} has no checkpoint yet: train first.")
    kept = torch.load(work / CHECKPOINT, weights_only=True, map_location="cpu", mmap=True)
    return kept["step"], kept["average"]


def steps_of(pack: PackedPairs, batch_tokens: int, longest: int, seed: int, epochs: float) -> int:
    """The number of batches in `epochs` passes over the data."""
    return max(1, round(epochs * len(next(epoch_batches(pack, batch_tokens, longest, seed)))))


class _Trainer:
    """Training state: weights, optimizer, moving average, step, and progress of the schedule."""

    def __init__(self, model: Any, settings: LoopSettings, file: Path) -> None:
        self.step, self.rate = 0, 0.0
        self._model, self._settings, self._file = model, settings, file
        self._loss = torch.compile(loss_of, dynamic=True) if settings.compiled else loss_of
        self._named = dict(model.named_parameters())
        self._weights = [value for value in self._named.values() if value.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._weights, lr=0.0, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.01, fused=True
        )
        self.average = {name: value.detach().clone() for name, value in self._named.items()}
        self._began = time.time()
        self._done = 0.0
        if self._file.exists():
            self._resume()

    def fraction(self) -> float:
        """Progress of the schedule, from 0 to 1."""
        settings = self._settings
        left = settings.until - self._began
        timed = self._done + (1 - self._done) * (time.time() - self._began) / left if left > 0 else 1.0
        return min(1.0, max(self.step / settings.steps, timed))

    def expected_steps(self) -> int:
        """Steps at the end of training; an estimate when time is the limit."""
        return max(self.step, round(self.step / self.fraction())) if self.step < self._settings.steps else self.step

    def learn(self, batch: Batch) -> Tensor:
        """One optimizer step; returns the loss per token."""
        settings = self._settings
        warm = min(1.0, (self.step + 1) / max(1, settings.warmup_steps))
        self.rate = settings.learning_rate * warm * (1 - self.fraction())
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate
        # Dropout of a resumed training is that of an uninterrupted one.
        torch.manual_seed(settings.seed + self.step)
        loss = self._loss(self._model, batch, settings.label_smoothing, settings.bfloat16)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.step += 1
        decay = min(settings.average_decay, (1 + self.step) / (10 + self.step))
        current = [self._named[name] for name in self.average]
        get_ema_multi_avg_fn(decay)(list(self.average.values()), current, self.step)
        return loss.detach()

    def save(self) -> None:
        """Write a checkpoint atomically: the previous one is replaced once this one is complete."""
        kept = {
            "step": self.step,
            "fraction": self.fraction(),
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "average": self.average,
        }
        with atomic_write(self._file) as unfinished:
            torch.save(kept, unfinished)

    def _resume(self) -> None:
        kept = torch.load(self._file, weights_only=True, map_location=self._weights[0].device)
        self._model.load_state_dict(kept["model"])
        self._optimizer.load_state_dict(kept["optimizer"])
        self.average, self.step = kept["average"], kept["step"]
        # A training that ended by time continues at the learning rate of its step.
        self._done = kept["fraction"] if kept["fraction"] < 1 else 0.0


def loss_of(model: Any, batch: Batch, label_smoothing: float, bfloat16: bool) -> Tensor:
    """Cross entropy per target token; the output layer skips padding."""
    with torch.autocast(batch.input_ids.device.type, dtype=torch.bfloat16, enabled=bfloat16):
        hidden = model.model(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            decoder_input_ids=batch.decoder_input_ids,
            use_cache=False,
        ).last_hidden_state
        logits = model.lm_head(hidden.flatten(0, 1)[batch.label_positions])
    return functional.cross_entropy(logits.float(), batch.labels, label_smoothing=label_smoothing)


def _from_step(rows: Iterator[list[Array]], step: int) -> Iterator[Array]:
    """An endless stream of batches, starting at that of `step`."""
    for batches in rows:
        if step >= len(batches):
            step -= len(batches)
            continue
        yield from batches[step:]
        step = 0


class _Log:
    """Write losses, averaged over `every` steps, as JSON lines with the throughput in target tokens per second."""

    def __init__(self, path: Path, every: int) -> None:
        truncate_partial_line(path)
        path.touch()
        self._path, self._every = path, every
        self._losses: list[Tensor] = []
        self._tokens, self._since = 0, time.perf_counter()

    def add(self, step: int, loss: Tensor, tokens: int, rate: float) -> float:
        """Add the loss of a step; returns the mean at steps that are logged, else NaN."""
        self._losses.append(loss)
        self._tokens += tokens
        if step % self._every:
            return float("nan")
        mean = float(torch.stack(self._losses).mean())  # synchronizes the device
        now = time.perf_counter()
        row = {"step": step, "loss": round(mean, 5), "learning_rate": rate}
        pace = round(self._tokens / (now - self._since))
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row | {"tokens_per_second": pace}) + "\n")
        self._losses.clear()
        self._tokens, self._since = 0, now
        return mean
