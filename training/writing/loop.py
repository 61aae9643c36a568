"""The training loop of next-token prediction, and the measurement on texts that were held out."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from training.optimization import CHECKPOINT, Optimization, Schedule, Step, run_epochs
from training.pipeline import Progress
from training.precision import autocast
from training.writing.tokens import Tokens, windows


def train_model(
    model: Any,
    row: Tokens,
    schedule: Schedule,
    work: Path,
    progress: Progress,
    *,
    length: int,
    batch: int,
    checkpoint_steps: int,
    seed: int,
) -> None:
    """Train in place until the schedule is over; resumes from the checkpoint in `work` with the same batches."""
    device = next(model.parameters()).device.type
    model.train()
    run = Optimization(model, schedule, work / CHECKPOINT, seed)

    def loss_of(chosen: Tokens, _seed: int) -> torch.Tensor:
        return next_token_loss(model, chosen, device)

    def steps_of(epoch: int) -> list[Step]:
        return [partial(loss_of, chosen) for chosen in windows(row, length, batch, seed + epoch)]

    run_epochs(run, steps_of, work, progress, part="next token", checkpoint_steps=checkpoint_steps)


def next_token_loss(model: Any, chosen: Tokens, device: str, reduction: str = "mean") -> torch.Tensor:
    """The cross-entropy of each next token in windows of shape (batch, length + 1)."""
    ids = torch.from_numpy(chosen.astype(np.int64)).to(device)
    with autocast(device):
        logits = model(input_ids=ids[:, :-1]).logits
    return functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction=reduction)


def perplexity(model: Any, row: Tokens, length: int) -> float:
    """The perplexity of every next token of a row, read in windows that do not overlap."""
    device = next(model.parameters()).device.type
    model.eval()
    total, tokens = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(row) - 1, length):
            window = row[None, start : start + length + 1]
            total += float(next_token_loss(model, window, device, "sum"))
            tokens += window.shape[1] - 1
    return math.exp(min(total / max(1, tokens), 50.0))
