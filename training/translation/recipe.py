"""The translation recipe: its five steps on a work folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from modalities.models.devices import computes_bfloat16
from storage.atomic_files import atomic_write
from training.pipeline import LOSSES, DataMissing, Progress, deadline, plot_losses
from training.translation.augmentation import PLACEHOLDERS
from training.translation.batches import Batches, special_tokens
from training.translation.card import Score, card, describe_data, evaluate
from training.translation.data import read_pairs
from training.translation.examples import examples, hold_out, pack_examples, without_held_out
from training.translation.loop import LoopSettings, averaged_weights, fit, steps_of
from training.translation.pack import PackedPairs
from training.translation.registers import Collections, Registers
from training.translation.vocabulary import (
    Encoder,
    copy_vocabulary,
    extend_vocabulary,
    read_vocabulary,
    train_vocabulary,
)
from training.translation.weights import WEIGHTS, Shape, build, initialize_from, save, with_average

HELD_OUT = "held-out"
"""The folder in a work folder with the sentences that are put aside to test with."""

_DATA = "data.json"
_VOCABULARY = "vocabulary"
_PACK = "pairs.npz"
_LEAST = 40
"""Occurrences in the data from which a missing character is added to the vocabulary."""


class TranslationConfig(BaseModel):
    """One translation model: its languages, its size, and how it is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    vocabulary: int = Field(default=8000, ge=300)
    width: int = Field(default=256, multiple_of=32, description="Numbers per token inside the model.")
    encoder_layers: int = 3
    decoder_layers: int = 2
    initial: Path | None = Field(
        default=None, description="Published weights of this size for a warm start; their vocabulary is extended."
    )
    tests: Path | None = Field(
        default=None, description="Test sets: evaluated, and excluded from training; the folder may be absent."
    )
    held_out: int = Field(default=100, ge=1, description="Held-out pairs per register and direction, at most.")
    batch_tokens: int = Field(default=2048, description="Tokens per step on the longer side, padding included.")
    longest: int = Field(default=92, description="Tokens; longer pairs are left out.")
    learning_rate: float = Field(default=1e-3, description="Peak, after warm-up; it decays linearly to zero.")
    warmup_steps: int = 400
    epochs: float = 12
    checkpoint_steps: int = 200
    average_decay: float = Field(default=0.998, description="Of the running average that is published.")
    seed: int = 17
    notes: str = Field(default="", description="What the model card should say about how the weights came about.")


@dataclass(frozen=True)
class TranslationTraining:
    """One model of configs/translation.yaml; pairs weigh what their registers say."""

    name: str
    config: TranslationConfig
    registers: Registers = field(default_factory=dict)
    collections: Collections = field(default_factory=dict)

    def prepare(self, work: Path, data: Path | None) -> str:
        """Write held-out sets, the vocabulary and the packed pairs, once."""
        self._record_data_folder(work, data)
        if not (work / _PACK).exists():
            pairs = read_pairs(self._data(work), self.config.sources, self.config.targets)
            if not (work / HELD_OUT).exists():
                with atomic_write(work / HELD_OUT) as unfinished:
                    hold_out(pairs, unfinished, self.registers, self.config.held_out)
            rows = list(examples(without_held_out(pairs, self._tests(work)), self.registers))
            if not (work / _VOCABULARY).exists():
                with atomic_write(work / _VOCABULARY) as unfinished:
                    self._make_vocabulary(
                        unfinished, [text for row in rows for text in (row.pair.source, row.pair.target)]
                    )
            languages = [*self.config.sources, *self.config.targets]
            with atomic_write(work / _PACK) as unfinished:
                pack_examples(rows, Encoder(work / _VOCABULARY), languages, self.config.longest).write(unfinished)
        return f"{len(PackedPairs.read(work / _PACK))} sentence pairs, variants included"

    def build(self, work: Path) -> Any:
        """A new model, or the published one for a warm start."""
        config, vocabulary = self.config, read_vocabulary(work / _VOCABULARY)
        shape = Shape(config.width, config.encoder_layers, config.decoder_layers)
        # On a CPU the backward pass of torch's fused attention took 40 % of a step on sentences this short.
        model = build(shape, vocabulary, config.seed, "sdpa" if torch.cuda.is_available() else "eager")
        if config.initial:
            initialize_from(model, vocabulary, config.initial)
        return model

    def train(self, work: Path, model: Any, minutes: float, progress: Progress) -> None:
        """Train until the epochs or the minutes are over; the learning rate reaches zero at the earlier end."""
        config, pairs = self.config, PackedPairs.read(work / _PACK)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        special = special_tokens(read_vocabulary(work / _VOCABULARY), config.targets)
        settings = LoopSettings(
            batch_tokens=config.batch_tokens,
            longest=config.longest,
            learning_rate=config.learning_rate,
            warmup_steps=config.warmup_steps,
            steps=steps_of(pairs, config.batch_tokens, config.longest, config.seed, config.epochs),
            until=deadline(minutes),
            checkpoint_steps=config.checkpoint_steps,
            average_decay=config.average_decay,
            label_smoothing=0.0,
            seed=config.seed,
            bfloat16=computes_bfloat16(device),
        )
        fit(model.to(device), pairs, Batches(pairs, special, device), settings, work, progress)

    def evaluate(self, folder: Path, work: Path, data: Path | None) -> Mapping[str, float]:
        """BLEU and chrF of each direction on held-out sentences, and how many outputs run on."""
        return measured(self._scores(folder, [data] if data else self._tests(work)))

    def publish(self, work: Path, folder: Path) -> Mapping[str, float]:
        """The running average of the last checkpoint, also while training goes on."""
        steps, average = averaged_weights(work)
        save(with_average(self.build(work), average), work / _VOCABULARY, folder)
        plot_losses(work / LOSSES, folder / "losses.png")
        scores = self._scores(folder, self._tests(work))
        text = card(self.name, scores, self._facts(folder, steps), describe_data(self._data(work), self.collections))
        (folder / "README.md").write_text(text, encoding="utf-8")
        return measured(scores)

    def _record_data_folder(self, work: Path, data: Path | None) -> None:
        """Remember the folder of sentence pairs. Raises DataMissing."""
        note = work / _DATA
        if data is None and not note.exists():
            directions = f"{', '.join(self.config.sources)} → {', '.join(self.config.targets)}"
            raise DataMissing(
                f"{self.name} learns from sentence pairs ({directions}): give --data DIR with files NAME.en-de.tsv or "
                ".tsv.gz, a sentence, a tab and its translation on a line, such as Tatoeba's from manythings.org/anki."
            )
        if data is not None:
            if not data.is_dir():
                raise DataMissing(f"There is no folder {data}.")
            with atomic_write(note) as unfinished:
                unfinished.write_text(json.dumps({"data": str(data.absolute())}), encoding="utf-8")

    def _make_vocabulary(self, folder: Path, texts: Sequence[str]) -> None:
        config = self.config
        if config.initial:
            copy_vocabulary(config.initial, folder)
            extend_vocabulary(folder, texts, _LEAST, PLACEHOLDERS)
        else:
            languages = config.targets if len(config.targets) > 1 else ()
            train_vocabulary(texts, folder, config.vocabulary, languages, PLACEHOLDERS)

    def _tests(self, work: Path) -> list[Path]:
        """Folders with held-out sentences and test sets."""
        return [folder for folder in (work / HELD_OUT, self.config.tests) if folder and folder.is_dir()]

    def _scores(self, folder: Path, tests: Sequence[Path]) -> list[Score]:
        scores = evaluate(folder, self.config.sources, self.config.targets, tests)
        if not scores:
            where = " and ".join(map(str, tests)) or "The work folder"
            raise DataMissing(
                f"{where} has no sentence pairs for {self.name}: give --data DIR with NAME.en-de.tsv files."
            )
        return scores

    def _facts(self, folder: Path, steps: int) -> dict[str, str]:
        config, weights = self.config, (folder / WEIGHTS).stat().st_size
        facts = {
            "Directions": f"{', '.join(config.sources)} → {', '.join(config.targets)}",
            "Size": f"{weights / 1e6:.1f} MB in fp16; width {config.width}, {config.encoder_layers} + "
            f"{config.decoder_layers} layers, {len(read_vocabulary(folder))} pieces in one vocabulary",
            "Training": f"{steps} steps of up to {config.batch_tokens} tokens, seed {config.seed}; the learning rate "
            f"fell from {config.learning_rate} to zero; the published weights are a running average (decay "
            f"{config.average_decay})",
        }
        return facts | ({"History": config.notes} if config.notes else {})

    def _data(self, work: Path) -> Path:
        return Path(json.loads((work / _DATA).read_text(encoding="utf-8"))["data"])


def measured(scores: Sequence[Score]) -> Mapping[str, float]:
    """The measurements by name."""
    found = {
        f"{kind} {s.pair} {s.tests}": value for s in scores for kind, value in (("BLEU", s.bleu), ("chrF", s.chrf))
    }
    return found | {"run-ons": float(sum(score.run_ons for score in scores))}
