"""Fine-tuning: an encoder with a linear head, trained until the loss on validation items no longer falls."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from modalities.classification.fine_tuned import Text, padded, pool, tokenize
from storage.atomic_files import atomic_write
from training.optimization import CHECKPOINT, Optimization, Schedule, batches_of, log_loss, open_log
from training.pipeline import Progress
from training.precision import autocast

BEST = "best.pt"
_PART = "fine-tuning"
Outputs = NDArray[np.float32]


@dataclass(frozen=True)
class TuningSettings:
    """Hyperparameters. Training ends after `epochs`, after `patience` epochs without a better validation loss, or at
    `until` (Unix time)."""

    pooling: str
    max_tokens: int
    batch_tokens: int
    learning_rate: float
    epochs: int
    patience: int
    dropout: float
    until: float
    seed: int


@dataclass(frozen=True)
class Examples:
    """Texts with the number of their label (int64), or with their standardised rating (float32)."""

    texts: Sequence[Text]
    targets: NDArray[Any]

    @property
    def are_rated(self) -> bool:
        return self.targets.dtype == np.float32


class SequenceModel(nn.Module):
    """An encoder, dropout, and a linear layer on the pooled states."""

    def __init__(self, encoder: Any, outputs: int, pooling: str, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, outputs)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self._pooling = pooling

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """The outputs for a batch of tokens: shape (texts, outputs)."""
        states = self.encoder(**batch).last_hidden_state
        return self.head(self.dropout(pool(states, batch["attention_mask"], self._pooling)))


def fit(
    model: SequenceModel,
    tokenizer: Any,
    training: Examples,
    validation: Examples,
    settings: TuningSettings,
    work: Path,
    progress: Progress,
) -> Outputs:
    """Train in place, leave the weights that were best on validation, and return their outputs on validation.

    Resumes from the checkpoint in `work`.
    """
    device = next(model.parameters()).device.type
    tokens = tokenize(tokenizer, training.texts, settings.max_tokens)
    lengths = np.array([len(each["input_ids"]) for each in tokens], np.int64)
    epochs = [batches_of(lengths, settings.batch_tokens, settings.seed + n) for n in range(settings.epochs)]
    schedule = Schedule(settings.learning_rate, sum(map(len, epochs)), until=settings.until)
    run = Optimization(model, schedule, work / CHECKPOINT, settings.seed)
    before = 0
    open_log(work)
    for epoch, batches in enumerate(epochs):
        for chosen in batches[max(0, run.step - before) :]:
            if run.fraction() >= 1:
                break
            run.seed_step()
            model.train()
            with autocast(device):
                outputs = model(padded(tokenizer, [tokens[place] for place in chosen], device))
            loss = run.learn(loss_of(outputs.float(), torch.from_numpy(training.targets[chosen]).to(device)))
            progress(_PART, run.step, run.expected_steps(), loss)
            log_loss(work, _PART, run.step, loss)
        before += len(batches)
        if epoch >= run.notes.get("epochs", 0):
            _end_epoch(run, work, epoch, model, predict(model, tokenizer, validation.texts, settings), validation)
        if run.fraction() >= 1 or run.notes["worse"] >= settings.patience:
            break
    model.load_state_dict(torch.load(work / BEST, weights_only=True, map_location=device))
    return predict(model, tokenizer, validation.texts, settings)


def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of labels; mean squared error of ratings."""
    if targets.is_floating_point():
        return functional.mse_loss(outputs[:, 0], targets)
    return functional.cross_entropy(outputs, targets)


def predict(model: SequenceModel, tokenizer: Any, texts: Sequence[Text], settings: TuningSettings) -> Outputs:
    """The outputs for texts: shape (texts, outputs)."""
    device = next(model.parameters()).device.type
    tokens = tokenize(tokenizer, texts, settings.max_tokens)
    lengths = np.array([len(each["input_ids"]) for each in tokens], np.int64)
    found = np.zeros((len(texts), model.head.out_features), np.float32)
    model.eval()
    with torch.inference_mode():
        for chosen in batches_of(lengths, settings.batch_tokens, 0):
            batch = padded(tokenizer, [tokens[place] for place in chosen], device)
            found[chosen] = model(batch).float().cpu().numpy()
    return found


def _end_epoch(
    run: Optimization, work: Path, epoch: int, model: SequenceModel, outputs: Outputs, validation: Examples
) -> None:
    """Keep the weights if their loss on validation is the lowest, and write the checkpoint."""
    loss = float(loss_of(torch.from_numpy(outputs), torch.from_numpy(validation.targets)))
    if loss < run.notes.get("best", math.inf):
        with atomic_write(work / BEST) as unfinished:
            torch.save(model.state_dict(), unfinished)
        run.notes |= {"best": loss, "best_epoch": epoch + 1, "worse": 0}
    else:
        run.notes["worse"] += 1
    run.notes["epochs"] = epoch + 1
    run.save()
