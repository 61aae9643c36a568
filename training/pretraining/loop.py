"""The training loop of pretraining, and the measurement on texts that were held out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from training.optimization import CHECKPOINT, Optimization, Schedule, Step, batches_of, run_epochs
from training.pipeline import Progress
from training.precision import autocast
from training.pretraining.examples import Numbers, PackedTexts, Pairs, continuations, pairs_of

_IGNORED = -100
_TEST_SEED = 1


@dataclass(frozen=True)
class Masking:
    """How examples become batches: the tokenizer, the share of masked tokens, and the longest example."""

    tokenizer: Any
    share: float
    max_tokens: int

    def batch(self, packed: PackedTexts, pairs: Pairs, chosen: Numbers, seed: int) -> dict[str, Any]:
        """Mask by transformers' collator: input_ids, token_type_ids, attention_mask, labels, next_sentence_label."""
        from transformers import DataCollatorForLanguageModeling

        collate = DataCollatorForLanguageModeling(self.tokenizer, mlm_probability=self.share, seed=seed)
        return collate([self._features(packed, pairs, int(number)) for number in chosen])

    def _features(self, packed: PackedTexts, pairs: Pairs, number: int) -> dict[str, Any]:
        first = packed.ids[pairs.start[number] : pairs.cut[number]].tolist()
        second = packed.ids[pairs.other[number] : pairs.end[number]].tolist()
        cls, sep = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        return {
            "input_ids": [cls, *first, sep, *second, sep],
            "token_type_ids": [0] * (len(first) + 2) + [1] * (len(second) + 1),
            "special_tokens_mask": [1, *[0] * len(first), 1, *[0] * len(second), 1],
            "next_sentence_label": int(pairs.is_random[number]),
        }


def pretrain(
    model: Any,
    packed: PackedTexts,
    masking: Masking,
    schedule: Schedule,
    work: Path,
    progress: Progress,
    *,
    batch_tokens: int,
    checkpoint_steps: int,
    seed: int,
) -> None:
    """Train a BertForPreTraining in place until the schedule is over; resumes from the checkpoint in `work`."""
    device = next(model.parameters()).device.type
    model.train()
    run = Optimization(model, schedule, work / CHECKPOINT, seed)
    is_continuation = continuations(masking.tokenizer)

    def loss_of(pairs: Pairs, chosen: Numbers, step_seed: int) -> torch.Tensor:
        masked, following = losses(model, masking.batch(packed, pairs, chosen, step_seed), device)
        return masked + following

    def steps_of(epoch: int) -> list[Step]:
        pairs = pairs_of(packed, is_continuation, masking.max_tokens, seed + epoch)
        return [partial(loss_of, pairs, chosen) for chosen in batches_of(pairs.lengths, batch_tokens, seed + epoch)]

    run_epochs(run, steps_of, work, progress, part="pretraining", checkpoint_steps=checkpoint_steps)


def losses(model: Any, batch: Mapping[str, Any], device: str) -> tuple[Any, Any]:
    """The losses of masked tokens and of the next sentence. The vocabulary is scored at masked tokens alone."""
    on = {name: value.to(device) for name, value in batch.items()}
    with autocast(device):
        states, pooled = _states(model, on)
        there = on["labels"] != _IGNORED
        scores = model.cls.predictions(states[there])
        following = model.cls.seq_relationship(pooled)
    masked = functional.cross_entropy(scores.float(), on["labels"][there]) if there.any() else scores.float().sum()
    return masked, functional.cross_entropy(following.float(), on["next_sentence_label"])


def measure(model: Any, packed: PackedTexts, masking: Masking, batch_tokens: int) -> dict[str, float]:
    """Perplexity and accuracy at masked tokens, and accuracy of the next sentence, on texts that were held out."""
    device = next(model.parameters()).device.type
    pairs = pairs_of(packed, continuations(masking.tokenizer), masking.max_tokens, _TEST_SEED)
    model.eval()
    total, right, tokens, following = 0.0, 0, 0, 0
    with torch.inference_mode():
        for number, chosen in enumerate(batches_of(pairs.lengths, batch_tokens, _TEST_SEED)):
            batch = masking.batch(packed, pairs, chosen, number)
            on = {name: value.to(device) for name, value in batch.items()}
            states, pooled = _states(model, on)
            there = on["labels"] != _IGNORED
            truth = on["labels"][there]
            scores = model.cls.predictions(states[there]).float()
            total += float(functional.cross_entropy(scores, truth, reduction="sum"))
            right += int((scores.argmax(-1) == truth).sum())
            tokens += len(truth)
            said = model.cls.seq_relationship(pooled).argmax(-1)
            following += int((said == on["next_sentence_label"]).sum())
    return {
        "held_out_pairs": float(len(pairs)),
        "masked_perplexity": math.exp(min(total / max(1, tokens), 50.0)),
        "masked_accuracy": right / max(1, tokens),
        "most_frequent_token": _most_frequent(packed),
        "next_sentence_accuracy": following / max(1, len(pairs)),
        "next_sentence_baseline": float(max(pairs.is_random.mean(), 1 - pairs.is_random.mean())),
    }


def _states(model: Any, on: Mapping[str, Any]) -> tuple[Any, Any]:
    """The states of all tokens, and the pooled one of the first."""
    found = model.bert(
        input_ids=on["input_ids"], token_type_ids=on["token_type_ids"], attention_mask=on["attention_mask"]
    )
    return found.last_hidden_state, found.pooler_output


def _most_frequent(packed: PackedTexts) -> float:
    """The share of the most frequent token: the accuracy of always saying it."""
    return float(np.bincount(packed.ids).max() / max(1, len(packed.ids)))
