"""The recipe that fine-tunes an encoder for the labels of texts, or for ratings.

The data is a dataset folder; the encoder is a folder in transformers' layout, which the work folder links to.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from modalities.classification.fine_tuned import FACTS, HEAD, FineTuned, FineTunedFacts
from modalities.classification.head import softmax
from storage.atomic_files import atomic_write
from training.classification.card import model_card, plot_calibration, plot_confusion
from training.classification.costs import Cost, write_facts
from training.classification.fit import calibrated_loss
from training.classification.recipe import OUT_OF_SCOPE, flat
from training.classification.testing import (
    by_texts,
    check_labels,
    classes_of,
    is_outside,
    measured,
    outcome,
    texts_at,
)
from training.classification.threshold import choose_threshold
from training.datasets.folder import DATASET, Dataset, read_folder
from training.datasets.manifest import InvalidDataset
from training.fine_tuning.card import rating_card
from training.fine_tuning.encoder import ENCODER, encoder_facts, load_encoder
from training.fine_tuning.loop import BEST, Examples, SequenceModel, TuningSettings, fit
from training.fine_tuning.ratings import measure_ratings, plot_ratings, ratings_at
from training.optimization import CHECKPOINT, trained_weights
from training.pipeline import LOSSES, Progress, deadline, plot_losses
from training.pretraining.vocabulary import read_tokenizer

_BEGUN, _FITTED = "begun.json", "fitted"
_FEWEST = 20
"""With fewer validation items, a tenth of the training items is held out in their place."""
_HELD_OUT = 10


class TuningConfig(BaseModel):
    """An entry of configs/learning.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    encoder: str = Field(description="A text encoder of the catalogue, or one of text-pretraining.")
    learns: Literal["labels", "ratings"] = Field(default="labels", description="Cross-entropy, or squared error.")
    pooling: Literal["mean", "cls"] = Field(default="mean", description="What the head reads of the encoder.")
    max_tokens: int = Field(default=128, ge=8, description="Longer texts are truncated.")
    batch_tokens: int = Field(default=1024, ge=16, description="Tokens of a step, padding included.")
    learning_rate: float = Field(default=1e-4, gt=0, description="Peak, after warm-up; it falls linearly to zero.")
    epochs: int = Field(default=8, ge=1)
    patience: int = Field(default=2, ge=1, description="Epochs without a better validation loss that end training.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Before the head.")
    out_of_scope: tuple[str, ...] = Field(default=OUT_OF_SCOPE, description="Labels of items of no class.")
    seed: int = 17


class FineTuning:
    """An encoder with a classification or regression head as a TrainingRecipe."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self.name = name
        self.config = TuningConfig.model_validate(config)

    @property
    def base(self) -> str:
        """The encoder to begin with, which the flow links into the work folder."""
        return self.config.encoder

    def prepare(self, work: Path, data: Path | None) -> str:
        """Check the dataset; what was begun with other data or settings begins again. Raises DataMissing."""
        if data is not None and data.resolve() != (work / DATASET).resolve():
            (work / DATASET).unlink(missing_ok=True)
            (work / DATASET).symlink_to(data.absolute(), target_is_directory=True)
        dataset = self._checked(read_folder(work / DATASET))
        settings = self.config.model_dump(mode="json", exclude={"patience"})
        now = [dataset.facts.digest, dataset.facts.gone, encoder_facts(work), settings]
        begun = work / _BEGUN
        if not begun.exists() or json.loads(begun.read_text(encoding="utf-8")) != now:
            for name in (CHECKPOINT, LOSSES, BEST, _BEGUN):
                (work / name).unlink(missing_ok=True)
            with atomic_write(begun) as unfinished:
                unfinished.write_text(json.dumps(now), encoding="utf-8")
        labels = "ratings" if self._rates else f"{len(self._classes(dataset))} labels"
        return f"{len(dataset.items)} {dataset.facts.kind} with {labels}, to fine-tune {self._encoder_name(work)}"

    def build(self, work: Path) -> SequenceModel:
        """The encoder with a new head."""
        torch.manual_seed(self.config.seed)
        encoder = load_encoder(work)
        outputs = 1 if self._rates else len(self._classes(read_folder(work / DATASET)))
        return SequenceModel(encoder, outputs, self.config.pooling, self.config.dropout)

    def train(self, work: Path, model: Any, minutes: float, progress: Progress) -> None:
        """Fine-tune until validation gets no better, calibrate, and write the classifier to the work folder."""
        config, dataset, tokenizer = self.config, read_folder(work / DATASET), read_tokenizer(work / ENCODER)
        training, validation = self._split(dataset)
        mean, deviation, ends = self._scale(dataset, training + validation)
        settings = TuningSettings(
            pooling=config.pooling,
            max_tokens=config.max_tokens,
            batch_tokens=config.batch_tokens,
            learning_rate=config.learning_rate,
            epochs=config.epochs,
            patience=config.patience,
            dropout=config.dropout,
            until=deadline(minutes),
            seed=config.seed,
        )
        held = self._examples(dataset, validation, mean, deviation)
        model = model.to("cuda" if torch.cuda.is_available() else "cpu")
        learned = self._examples(dataset, training, mean, deviation)
        outputs = fit(model, tokenizer, learned, held, settings, work, progress)
        facts = FineTunedFacts(
            kind="pairs" if dataset.facts.kind == "pairs" else "texts",
            labels=() if self._rates else tuple(self._classes(dataset)),
            encoder=self._encoder_name(work),
            pooling=config.pooling,
            max_tokens=config.max_tokens,
            mean=mean,
            deviation=deviation,
            lowest=ends[0],
            highest=ends[1],
            dataset=f"{dataset.facts.name}@{dataset.facts.digest}",
        )
        if not self._rates:
            temperature = calibrated_loss(outputs, held.targets)[1]
            facts = facts.model_copy(update={"temperature": temperature})
        with atomic_write(work / _FITTED) as unfinished:
            _save(model, tokenizer, facts, unfinished)
        if not self._rates:
            self._write_threshold(work / _FITTED, facts, softmax(outputs / facts.temperature), held, dataset)

    def evaluate(self, folder: Path, work: Path, data: Path | None) -> Mapping[str, float]:
        """Measure a classifier on the test split. Raises DataMissing."""
        return self._measured(FineTuned.load(folder), self._checked(read_folder(data or work / DATASET)))

    def publish(self, work: Path, folder: Path) -> Mapping[str, float]:
        """Write the classifier, plots, a card, and `facts.json` with data, metrics, code and cost."""
        import shutil

        shutil.copytree(work / _FITTED, folder, dirs_exist_ok=True)
        kept, dataset, model = trained_weights(work), read_folder(work / DATASET), FineTuned.load(folder)
        numbers = self._measured(model, dataset)
        numbers |= {"steps": float(kept["step"]), "best_epoch": float(kept["notes"]["best_epoch"])}
        cost = Cost.of(kept["cpu_seconds"])
        facts = write_facts(folder, recipe=self.name, dataset=model.facts.dataset, metrics=numbers, cost=cost)
        plot_losses(work / LOSSES, folder / "losses.png")
        if self._rates:
            places = dataset.of("test")
            plot_ratings(ratings_at(dataset, places), model.ratings(texts_at(dataset, places)), folder / "ratings.png")
            card = rating_card(model.facts, facts, dataset.facts.licence)
        else:
            predict = by_texts(model, dataset)
            tested = outcome(dataset, model.facts.labels, predict, self.config.out_of_scope)
            plot_confusion(tested, folder / "confusion.png")
            plot_calibration(tested, folder / "calibration.png")
            metrics = measured(dataset, model.facts.labels, predict, self.config.out_of_scope, model.facts.threshold)
            card = model_card(model.facts, dataset.facts, metrics, facts, "A fine-tuned")
        (folder / "README.md").write_text(card, encoding="utf-8")
        return numbers

    @property
    def _rates(self) -> bool:
        return self.config.learns == "ratings"

    def _classes(self, dataset: Dataset) -> list[str]:
        return classes_of(dataset, self.config.out_of_scope)

    def _measured(self, model: FineTuned, dataset: Dataset) -> dict[str, float]:
        if model.facts.rates:
            places = dataset.of("test")
            said = model.ratings(texts_at(dataset, places))
            return measure_ratings(ratings_at(dataset, places), said, model.facts.mean).flat()
        facts = model.facts
        return flat(
            measured(dataset, facts.labels, by_texts(model, dataset), self.config.out_of_scope, facts.threshold)
        )

    def _split(self, dataset: Dataset) -> tuple[list[int], list[int]]:
        """The places to train on and to validate on; without a validation split, every tenth place is held out."""
        training, validation = (
            [place for place in dataset.of(split) if not is_outside(dataset.items[place], self.config.out_of_scope)]
            for split in ("train", "validation")
        )
        if len(validation) < _FEWEST:
            both = sorted(training + validation, key=lambda place: dataset.items[place].key)
            training = [place for number, place in enumerate(both) if number % _HELD_OUT]
            validation = both[::_HELD_OUT]
        return training, validation

    def _scale(self, dataset: Dataset, places: list[int]) -> tuple[float, float, tuple[float, float]]:
        """The mean, standard deviation and range of ratings; of labels 0, 1 and nothing."""
        if not self._rates:
            return 0.0, 1.0, (0.0, 0.0)
        values = ratings_at(dataset, places)
        return float(values.mean()), float(values.std()) or 1.0, (float(values.min()), float(values.max()))

    def _examples(self, dataset: Dataset, places: list[int], mean: float, deviation: float) -> Examples:
        if self._rates:
            targets: Any = ((ratings_at(dataset, places) - mean) / deviation).astype(np.float32)
        else:
            numbers = {label: number for number, label in enumerate(self._classes(dataset))}
            targets = np.array([numbers[dataset.items[place].label or ""] for place in places], np.int64)
        return Examples(texts_at(dataset, places), targets)

    def _write_threshold(
        self, folder: Path, facts: FineTunedFacts, probabilities: Any, held: Examples, dataset: Dataset
    ) -> None:
        """Choose the threshold by held-out items, and by items that are out of scope if there are some."""
        outside = [
            place
            for place in dataset.of("train", "validation")
            if is_outside(dataset.items[place], self.config.out_of_scope)
        ]
        device = "cuda" if torch.cuda.is_available() else "cpu"
        of_outside = (
            FineTuned.load(folder, device).probabilities(texts_at(dataset, outside)) if outside else np.empty((0, 1))
        )
        threshold = choose_threshold(probabilities, held.targets, of_outside)
        written = facts.model_copy(update={"threshold": threshold})
        with atomic_write(folder / FACTS) as unfinished:
            unfinished.write_text(written.model_dump_json(indent=1), encoding="utf-8")

    def _checked(self, dataset: Dataset) -> Dataset:
        """The dataset, if this recipe can learn from it. Raises InvalidDataset."""
        if dataset.facts.kind == "pictures":
            raise InvalidDataset(f"{self.name} learns from texts, and the dataset {dataset.facts.name} has pictures.")
        if not self._rates:
            check_labels(dataset, self.config.out_of_scope)
            return dataset
        for what, places in (("training", dataset.of("train", "validation")), ("test", dataset.of("test"))):
            if len(ratings_at(dataset, places)) < 2:
                raise InvalidDataset(f"The dataset {dataset.facts.name} has fewer than two {what} items: rate more.")
        return dataset

    def _encoder_name(self, work: Path) -> str:
        return str(encoder_facts(work).get("name", self.config.encoder))


def _save(model: SequenceModel, tokenizer: Any, facts: FineTunedFacts, folder: Path) -> None:
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    model.encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    head = {"weight": model.head.weight.detach().cpu(), "bias": model.head.bias.detach().cpu()}
    save_file(head, folder / HEAD)
    (folder / FACTS).write_text(facts.model_dump_json(indent=1), encoding="utf-8")
