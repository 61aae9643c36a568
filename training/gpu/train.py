"""Train both translators on one GPU within some minutes; the weights and a report lie in --out all along.

python3 -m training.gpu.train --carried training/gpu/carried --out $OUT --minutes 9
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

from training.gpu.parts import write_parts
from training.gpu.plan import ATTENTION, PAIRS, TESTS, VOCABULARY, Direction, Plan
from training.pipeline import LOSSES
from training.translation.batches import Batches, special_tokens
from training.translation.loop import LoopSettings, fit
from training.translation.pack import Pack
from training.translation.scores import Score, score, test_sets
from training.translation.vocabulary import language_token, read_vocabulary, tokenizer_of
from training.translation.weights import averaged, build

_TEST_SECONDS = 40
"""What measuring one model takes at most; training ends so much earlier."""

_SENTENCES = 256
"""Translated at once."""


def train_all(carried: Path, out: Path, until: float, *, steps: int, compiled: bool) -> None:
    """Train and measure the models of a plan one after the other, each in its share of the time until `until`."""
    plan, pairs = Plan.read(carried), Pack.read(carried / PAIRS)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    _say(f"{len(pairs)} pairs, {int(pairs.lengths.sum())} tokens, on {device}")
    for number, (name, direction) in enumerate(plan.directions.items()):
        left = until - time.time()
        end = time.time() + left / (len(plan.directions) - number) - _TEST_SECONDS
        turned = pairs if direction.sources[0] == pairs.languages[0] else pairs.reversed()
        with TemporaryDirectory() as work:
            run = _Model(name, plan, direction, carried / VOCABULARY, out, Path(work), device)
            run.train(turned, min(end, until), steps, compiled=compiled)
            run.measure(carried / TESTS)


class _Model:
    """One of the models while it is trained and measured."""

    def __init__(
        self, name: str, plan: Plan, direction: Direction, vocabulary: Path, out: Path, work: Path, device: str
    ) -> None:
        self._name, self._plan, self._direction = name, plan, direction
        self._vocabulary, self._out, self._work, self._device = vocabulary, out, work, device
        numbers = read_vocabulary(vocabulary)
        self._special = special_tokens(numbers, direction.targets)
        self._model = build(plan.shape, numbers, plan.training.seed, ATTENTION).to(device)
        self._average: Mapping[str, Tensor] = {}
        self._step, self._said = 0, 0
        size = sum(value.numel() for value in self._model.parameters())
        _say(f"{name}: {size / 1e6:.1f}M parameters, {len(numbers)} pieces")

    def train(self, pairs: Pack, until: float, steps: int, *, compiled: bool) -> None:
        """Train; each checkpoint is written in parts, with the losses so far."""
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
        fit(self._model, pairs, batches, settings, self._work, self._tell, self._keep)

    def measure(self, tests: Path) -> None:
        """Translate the test sets with the averaged weights, and keep scores and translations in the report."""
        started = time.time()
        model = averaged(self._model, self._average)
        scores: list[Score] = []
        said: dict[str, list[str]] = {}
        for name, source, target, rows in test_sets(tests, self._direction.sources, self._direction.targets):
            asked = [f"{language_token(target)} {text}" for text, _ in rows]
            answers = translate(model, self._vocabulary, asked, self._device)
            scores.append(score(name, source, target, rows, answers))
            said[f"{name} {source} {target}"] = answers
            _say(f"{name} {scores[-1].pair}: BLEU {scores[-1].bleu}, chrF {scores[-1].chrf}")
        self._write({"scores": [asdict(each) for each in scores], "translations": said})
        _say(f"{self._name}: measured in {time.time() - started:.0f} s")

    def _tell(self, _part: str, step: int, _steps: int, loss: float) -> None:
        if not math.isnan(loss) and step >= self._said + 500:
            self._said = step
            _say(f"{self._name}: step {step}, loss {loss:.3f}, {self._losses()[-1]['tokens_per_second']} tokens/s")

    def _keep(self, step: int, average: Mapping[str, Tensor]) -> None:
        self._step, self._average = step, average
        self._write({})

    def _write(self, measured: Mapping[str, Any]) -> None:
        report = {"steps": self._step, "device": self._device, "losses": self._losses(), **measured}
        write_parts(self._name, self._average, report, self._out)

    def _losses(self) -> list[dict[str, float]]:
        log = self._work / LOSSES
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def translate(model: Any, vocabulary: Path, texts: Sequence[str], device: str) -> list[str]:
    """Translations with beam search of width 4, in the order of the texts."""
    tokenizer = tokenizer_of(vocabulary)
    said = [""] * len(texts)
    for rows in _groups(texts):
        asked = tokenizer([texts[row] for row in rows], return_tensors="pt", padding=True, truncation=True).to(device)
        longest = min(2 * asked["input_ids"].shape[1] + 32, 250)
        with torch.no_grad(), torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            answers = model.generate(
                **asked, num_beams=4, max_new_tokens=longest, suppress_tokens=[model.config.pad_token_id]
            )
        for row, text in zip(rows, tokenizer.batch_decode(answers, skip_special_tokens=True), strict=True):
            said[row] = text
    return said


def _groups(texts: Sequence[str]) -> Iterator[list[int]]:
    """Numbers of texts of like length."""
    by_length = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for start in range(0, len(by_length), _SENTENCES):
        yield by_length[start : start + _SENTENCES]


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def main() -> None:
    """Read the arguments and train."""
    started = time.time()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--carried", type=Path, default=Path("training/gpu/carried"))
    parser.add_argument("--out", type=Path, required=True, help="an existing folder for the weights and reports")
    parser.add_argument("--minutes", type=float, default=9, help="for all, measuring included")
    parser.add_argument("--steps", type=int, default=10**9, help="of each model at most, to try things out")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model: compare the pace")
    given = parser.parse_args()
    train_all(given.carried, given.out, started + 60 * given.minutes, steps=given.steps, compiled=given.compile)


if __name__ == "__main__":
    main()
