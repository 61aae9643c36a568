"""The training loop of next-token prediction, and the measurement on texts that were held out."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from training.optimization import CHECKPOINT, Optimization, Schedule
from training.pipeline import LOSSES, Progress, truncate_partial_line
from training.precision import autocast
from training.writing.tokens import Tokens, windows

_LOG_STEPS = 10
_PART = "next token"


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
    epoch, before = 0, 0
    truncate_partial_line(work / LOSSES)
    with (work / LOSSES).open("a", encoding="utf-8") as log:
        while run.fraction() < 1:
            batches = list(windows(row, length, batch, seed + epoch))
            for chosen in batches[max(0, run.step - before) :]:
                run.seed_step()
                loss = run.learn(next_token_loss(model, chosen, device))
                progress(_PART, run.step, run.expected_steps(), loss)
                if run.step % _LOG_STEPS == 0:
                    log.write(json.dumps({"part": _PART, "step": run.step, "loss": round(loss, 4)}) + "\n")
                    log.flush()
                if run.step % checkpoint_steps == 0:
                    run.save()
                if run.fraction() >= 1:
                    break
            before, epoch = before + len(batches), epoch + 1
    run.save()


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
