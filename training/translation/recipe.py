"""The translation recipe: its five steps on a work folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.atomic_files import written_whole
from training.pipeline import LOSSES, DataMissing, Progress, plot_losses
from training.translation.card import Score, card, describe_data, evaluate
from training.translation.data import hold_out
from training.translation.trainer import (
    HELD_OUT,
    TranslationConfig,
    build,
    fit,
    from_checkpoint,
    last_checkpoint,
    prepare,
    save,
    steps_of,
)

_DATA = "data.json"
_HELD_OUT_PAIRS = 250


@dataclass(frozen=True)
class TranslationTraining:
    """One model of configs/translation.yaml."""

    name: str
    config: TranslationConfig

    def prepare(self, work: Path, data: Path | None) -> str:
        """Remember the folder of sentence pairs and put some of each direction aside to test with."""
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
            with written_whole(note) as unfinished:
                unfinished.write_text(json.dumps({"data": str(data.absolute())}), encoding="utf-8")
        if not (work / HELD_OUT).exists():
            with written_whole(work / HELD_OUT) as unfinished:
                hold_out(self._data(work), unfinished, self.config.sources, self.config.targets, _HELD_OUT_PAIRS)
        count = len(prepare(work, self._data(work), self.config))
        return f"{count} sentence pairs"

    def build(self, work: Path) -> Any:
        """A new model and its tokenizer."""
        return build(work, self.config)

    def train(self, work: Path, model: Any, minutes: float, progress: Progress) -> None:
        """Train with transformers' Seq2SeqTrainer."""
        fit(work, prepare(work, self._data(work), self.config), self.config, *model, minutes=minutes, progress=progress)

    def evaluate(self, folder: Path, work: Path, data: Path | None) -> Mapping[str, float]:
        """BLEU and chrF of each direction on held-out sentences, and how many outputs run on."""
        return measured(self._scores(folder, data or work / HELD_OUT))

    def publish(self, work: Path, folder: Path) -> Mapping[str, float]:
        """The running average of the last checkpoint, also while training goes on."""
        checkpoint = last_checkpoint(work)
        save(from_checkpoint(checkpoint), build(work, self.config)[1], folder)
        plot_losses(work / LOSSES, folder / "losses.png")
        scores = self._scores(folder, work / HELD_OUT)
        steps = steps_of(checkpoint)
        text = card(self.name, scores, self._facts(folder, steps), describe_data(self._data(work)))
        (folder / "README.md").write_text(text, encoding="utf-8")
        return measured(scores)

    def _scores(self, folder: Path, tests: Path) -> list[Score]:
        scores = evaluate(folder, self.config.sources, self.config.targets, tests) if tests.is_dir() else []
        if not scores:
            raise DataMissing(
                f"{tests} has no sentence pairs for {self.name}: give --data DIR with NAME.en-de.tsv files."
            )
        return scores

    def _facts(self, folder: Path, steps: int) -> dict[str, str]:
        config, weights = self.config, (folder / "model.safetensors").stat().st_size
        facts = {
            "Directions": f"{', '.join(config.sources)} → {', '.join(config.targets)}",
            "Size": f"{weights / 1e6:.1f} MB in fp16; width {config.width}, {config.encoder_layers} + "
            f"{config.decoder_layers} layers, {config.vocabulary} pieces in one vocabulary",
            "Training": f"{steps} steps of {config.batch_pairs} pairs, seed {config.seed}; the published weights are a "
            f"running average (decay {config.average_decay})",
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
