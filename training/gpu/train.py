"""Train both translation models on one GPU within a time limit; --out has the latest checkpoint at any time.

python3 -m training.gpu.train --bundle training/gpu/bundle --out $OUT --minutes 9
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from training.gpu.plan import ATTENTION, PAIRS, TESTS, VOCABULARY, Direction, TrainingPlan
from training.gpu.shards import write_shards
from training.pipeline import LOSSES
from training.translation.batches import Batches, special_tokens
from training.translation.loop import LoopSettings, fit
from training.translation.pack import PackedPairs
from training.translation.scores import Score, score, test_sets
from training.translation.vocabulary import language_token, read_vocabulary, tokenizer_of
from training.translation.weights import build, with_average

_TEST_SECONDS = 40
"""Time reserved for the evaluation of each model."""

_PROGRESS_STEPS = 250

_SENTENCES = 256
"""Sentences per batch of the evaluation."""


def train_all(bundle: Path, out: Path, until: float, *, steps: int, compiled: bool) -> None:
    """Train and evaluate the models one after the other, in equal shares of the time left until `until`."""
    plan, pairs = TrainingPlan.read(bundle), PackedPairs.read(bundle / PAIRS)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    _log(f"{len(pairs)} pairs, {int(pairs.lengths.sum())} tokens, on {device}")
    for number, (name, direction) in enumerate(plan.directions.items()):
        left = until - time.time()
        end = time.time() + left / (len(plan.directions) - number) - _TEST_SECONDS
        directed = pairs if direction.sources[0] == pairs.languages[0] else pairs.reversed()
        with TemporaryDirectory() as work:
            run = _Model(name, plan, direction, bundle / VOCABULARY, out, Path(work), device)
            run.train(directed, min(end, until), steps, compiled=compiled)
            run.evaluate(bundle / TESTS)


class _Model:
    """Training and evaluation of one model."""

    def __init__(
        self, name: str, plan: TrainingPlan, direction: Direction, vocabulary: Path, out: Path, work: Path, device: str
    ) -> None:
        self._name, self._plan, self._direction = name, plan, direction
        self._vocabulary, self._out, self._work, self._device = vocabulary, out, work, device
        numbers = read_vocabulary(vocabulary)
        self._special = special_tokens(numbers, direction.targets)
        self._model = build(plan.shape, numbers, plan.training.seed, ATTENTION).to(device)
        self._average: Mapping[str, Tensor] = {}
        self._step = 0
        size = sum(value.numel() for value in self._model.parameters())
        _log(f"{name}: {size / 1e6:.1f}M parameters, {len(numbers)} pieces")

    def train(self, pairs: PackedPairs, until: float, steps: int, *, compiled: bool) -> None:
        """Train, and write shards and losses at each checkpoint."""
        given = self._plan.training
        settings = LoopSettings(
            **asdict(given),
            steps=steps,
            until=until,
            bfloat16=self._device == "cuda",
            compiled=compiled,
            log_steps=50,
        )
        batches = Batches(pairs, self._special, self._device, multiple=8)
        fit(self._model, pairs, batches, settings, self._work, self._report_progress, self._on_checkpoint)

    def evaluate(self, tests: Path) -> None:
        """Translate the test sets with the averaged weights and add scores and translations to the report."""
        started = time.time()
        model = with_average(self._model, self._average)
        scores: list[Score] = []
        translations: dict[str, list[str]] = {}
        for name, source, target, rows in test_sets(tests, self._direction.sources, self._direction.targets):
            sources = [f"{language_token(target)} {text}" for text, _ in rows]
            answers = translate(model, self._vocabulary, sources, self._device)
            scores.append(score(name, source, target, rows, answers))
            translations[f"{name} {source} {target}"] = answers
            _log(f"{name} {scores[-1].pair}: BLEU {scores[-1].bleu}, chrF {scores[-1].chrf}")
        self._write({"scores": [asdict(each) for each in scores], "translations": translations})
        _log(f"{self._name}: evaluated in {time.time() - started:.0f} s")

    def _report_progress(self, _part: str, step: int, _steps: int, loss: float) -> None:
        if not math.isnan(loss) and step % _PROGRESS_STEPS == 0:
            _log(f"{self._name}: step {step}, loss {loss:.3f}, {self._losses()[-1]['tokens_per_second']} tokens/s")

    def _on_checkpoint(self, step: int, average: Mapping[str, Tensor]) -> None:
        self._step, self._average = step, average
        self._write({})

    def _write(self, evaluation: Mapping[str, Any]) -> None:
        report = {"steps": self._step, "device": self._device, "losses": self._losses(), **evaluation}
        write_shards(self._name, self._average, report, self._out)

    def _losses(self) -> list[dict[str, float]]:
        log = self._work / LOSSES
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def translate(model: Any, vocabulary: Path, texts: Sequence[str], device: str) -> list[str]:
    """Translations with beam search of width 4, in the order of the texts."""
    tokenizer = tokenizer_of(vocabulary)
    translations = [""] * len(texts)
    for rows in _groups(texts):
        inputs = tokenizer([texts[row] for row in rows], return_tensors="pt", padding=True, truncation=True).to(device)
        longest = min(2 * inputs["input_ids"].shape[1] + 32, 250)
        with torch.no_grad(), torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            outputs = model.generate(
                **inputs, num_beams=4, max_new_tokens=longest, suppress_tokens=[model.config.pad_token_id]
            )
        for row, text in zip(rows, tokenizer.batch_decode(outputs, skip_special_tokens=True), strict=True):
            translations[row] = text
    return translations


def _groups(texts: Sequence[str]) -> Iterator[list[int]]:
    """Indexes of texts, grouped by similar length."""
    by_length = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for start in range(0, len(by_length), _SENTENCES):
        yield by_length[start : start + _SENTENCES]


def _log(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def main() -> None:
    """Read the arguments and train."""
    started = time.time()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("training/gpu/bundle"))
    parser.add_argument("--out", type=Path, required=True, help="an existing folder for the weights and reports")
    parser.add_argument("--minutes", type=float, default=9, help="in total, evaluation included")
    parser.add_argument("--steps", type=int, default=10**9, help="of each model at most, for a trial")
    parser.add_argument("--compile", action="store_true", help="compile the model with torch.compile")
    given = parser.parse_args()
    train_all(given.bundle, given.out, started + 60 * given.minutes, steps=given.steps, compiled=given.compile)


if __name__ == "__main__":
    main()
