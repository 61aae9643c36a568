"""The recipes that train a head on the vectors of an encoder: supervised, or with pseudo-labels for the unlabelled.

The data is a dataset folder (training/datasets/folder.py) with vectors.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from modalities.classification.head import Head, HeadFacts
from training.classification.card import model_card, plot_calibration, plot_confusion
from training.classification.costs import CpuClock, write_facts
from training.classification.fit import (
    Array,
    Examples,
    Fitted,
    examples,
    fit_by_folds,
    fit_with_tenth_held_out,
    fit_with_validation,
)
from training.classification.metrics import Metrics, Outcome, paired_p_value
from training.classification.pseudo_labels import Pseudo, fit_with_pseudo_labels
from training.classification.testing import Predict, check_labels, classes_of, is_outside, measured, outcome
from training.classification.threshold import choose_threshold
from training.datasets.folder import DATASET, Dataset, read_folder
from training.datasets.manifest import InvalidDataset, Split
from training.pipeline import Progress

OUT_OF_SCOPE = ("oos", "out of scope", "none of these")
_FITTED = "fitted"
_MANY = 5000
"""From so many examples on, a tenth is held out in place of cross-validation."""
_ENOUGH = 200
"""With so many validation items, they calibrate; with fewer, cross-validation does."""


class ProbeConfig(BaseModel):
    """An entry of configs/learning.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    kind: Literal["texts", "pictures", "any"] = Field(description="What it classifies.")
    encoder: str = Field(default="", description="The model whose vectors texts get; pictures have the profile's.")
    semi_supervised: bool = Field(default=False, description="Learn from the unlabelled items, too.")
    confidence: float = Field(default=0.9, ge=0.5, lt=1, description="Pseudo-labels below it are not used.")
    out_of_scope: tuple[str, ...] = Field(default=OUT_OF_SCOPE, description="Labels of items that belong to no class.")


@dataclass(frozen=True)
class Learned:
    """What a training found: the head, the supervised one beside it if there were pseudo-labels, and the cost."""

    head: Head
    supervised: Head | None
    pseudo: Pseudo | None
    clock: CpuClock


class ProbeTraining:
    """A linear head as a TrainingRecipe."""

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self.name = name
        self.config = ProbeConfig.model_validate(config)
        self._learned: Learned | None = None

    @property
    def encoder(self) -> str:
        """The model that makes the vectors of texts."""
        return self.config.encoder

    def prepare(self, work: Path, data: Path | None) -> str:
        """Link the dataset folder, and check that it can be learned from. Raises DataMissing, InvalidDataset."""
        folder = work / DATASET
        if data is not None and data.resolve() != folder.resolve():
            folder.unlink(missing_ok=True)
            folder.symlink_to(data.absolute(), target_is_directory=True)
        dataset = self.build(work)
        classes = self._classes(dataset)
        gone = f", {dataset.facts.gone} are gone" if dataset.facts.gone else ""
        return f"{len(dataset.items)} {dataset.facts.kind} of {len(classes)} labels{gone}"

    def build(self, work: Path) -> Dataset:
        """The dataset: a linear head has no weights before it is fitted."""
        return self._checked(read_folder(work / DATASET))

    def train(self, work: Path, model: Any, minutes: float, progress: Progress) -> None:
        """Fit the head; it takes seconds, so that an interrupted training begins again."""
        dataset: Dataset = model
        clock = CpuClock(dataset.facts.cpu_seconds)
        fitted = self._fit(dataset)
        head, pseudo = self._head(dataset, fitted), None
        progress("fitting", 1, 2 if self.config.semi_supervised else 1, _loss(fitted))
        supervised = None
        if self.config.semi_supervised:
            supervised = head
            fitted, pseudo = fit_with_pseudo_labels(
                self._labelled(dataset, "train", "validation"),
                _vectors(dataset)[dataset.of("train", labelled=False)],
                len(self._classes(dataset)),
                fitted,
                self.config.confidence,
            )
            head = self._head(dataset, fitted)
            progress("fitting", 2, 2, _loss(fitted))
        head.save(work / _FITTED)
        self._learned = Learned(head, supervised, pseudo, clock)

    def evaluate(self, folder: Path, work: Path, data: Path | None) -> Mapping[str, float]:
        """Measure a head on the test split. Raises DataMissing."""
        dataset = self._checked(read_folder(data or work / DATASET))
        return flat(self.measured(Head.load(folder), dataset))

    def publish(self, work: Path, folder: Path) -> Mapping[str, float]:
        """Write the head, plots, a card, and `facts.json` with data, metrics, code and cost."""
        learned, dataset = self._learned, self.build(work)
        assert learned is not None
        learned.head.save(folder)
        metrics = self.measured(learned.head, dataset)
        numbers = flat(metrics) | self._beside_supervised(learned, dataset)
        tested = self.tested(learned.head, dataset)
        plot_confusion(tested, folder / "confusion.png")
        plot_calibration(tested, folder / "calibration.png")
        dataset_name, cost = learned.head.facts.dataset, learned.clock.cost()
        facts = write_facts(folder, recipe=self.name, dataset=dataset_name, metrics=numbers, cost=cost)
        card = model_card(learned.head.facts, dataset.facts, metrics, facts, "A linear layer over the vectors of")
        (folder / "README.md").write_text(card, encoding="utf-8")
        return numbers

    def measured(self, head: Head, dataset: Dataset) -> Metrics:
        """The metrics of a head on the test split of a dataset."""
        facts = head.facts
        return measured(dataset, facts.labels, _by_vectors(head, dataset), self.config.out_of_scope, facts.threshold)

    def tested(self, head: Head, dataset: Dataset) -> Outcome:
        """What a head says about the in-scope test items."""
        return outcome(dataset, head.facts.labels, _by_vectors(head, dataset), self.config.out_of_scope)

    def _fit(self, dataset: Dataset) -> Fitted:
        """Fit on the training split; few validation items calibrate by cross-validation over both splits."""
        classes, validation = len(self._classes(dataset)), self._labelled(dataset, "validation")
        if len(validation) >= _ENOUGH and not self.config.semi_supervised:
            return fit_with_validation(self._labelled(dataset, "train"), validation, classes)
        training = self._labelled(dataset, "train", "validation")
        if len(training) >= _MANY:
            return fit_with_tenth_held_out(training, classes)
        return fit_by_folds(training, classes)

    def _head(self, dataset: Dataset, fitted: Fitted) -> Head:
        outside = [place for place in dataset.of("train", "validation") if self._is_outside(dataset, place)]
        facts = HeadFacts(
            kind=dataset.facts.kind,
            labels=tuple(self._classes(dataset)),
            encoder=dataset.facts.model,
            space=dataset.facts.space,
            temperature=fitted.temperature,
            threshold=0.0,
            dataset=f"{dataset.facts.name}@{dataset.facts.digest}",
        )
        head = Head(facts, fitted.weight, fitted.bias)
        of_outside = head.probabilities(_vectors(dataset)[outside]) if outside else np.empty((0, 1))
        threshold = choose_threshold(fitted.held_out, fitted.held_out_labels, of_outside)
        return replace(head, facts=facts.model_copy(update={"threshold": threshold}))

    def _labelled(self, dataset: Dataset, *splits: Split) -> Examples:
        classes = self._classes(dataset)
        places = [place for place in dataset.of(*splits) if not self._is_outside(dataset, place)]
        labels = np.array([classes.index(dataset.items[place].label or "") for place in places], np.int64)
        return examples(_vectors(dataset)[places], labels)

    def _classes(self, dataset: Dataset) -> list[str]:
        return classes_of(dataset, self.config.out_of_scope)

    def _is_outside(self, dataset: Dataset, place: int) -> bool:
        return is_outside(dataset.items[place], self.config.out_of_scope)

    def _beside_supervised(self, learned: Learned, dataset: Dataset) -> dict[str, float]:
        """The supervised baseline beside the semi-supervised head, on the same test items."""
        if learned.supervised is None or learned.pseudo is None:
            return {}
        ours, baseline = self.tested(learned.head, dataset), self.tested(learned.supervised, dataset)
        accuracy = self.measured(learned.supervised, dataset).accuracy
        return {
            "supervised_accuracy": accuracy.value,
            "supervised_accuracy_low": accuracy.low,
            "supervised_accuracy_high": accuracy.high,
            "pseudo_labelled": float(learned.pseudo.used),
            "paired_p_value": paired_p_value(baseline.right, ours.right),
        }

    def _checked(self, dataset: Dataset) -> Dataset:
        """The dataset, if this recipe can learn from it. Raises InvalidDataset."""
        kind, name = dataset.facts.kind, dataset.facts.name
        if self.config.kind not in ("any", kind) and (self.config.kind, kind) != ("texts", "pairs"):
            raise InvalidDataset(f"{self.name} learns from {self.config.kind}, and the dataset {name} has {kind}.")
        if dataset.vectors is None or not len(dataset.vectors):
            raise InvalidDataset(
                f"The dataset {name} has no vectors: fetch it with `triptych train … --dataset {name}`."
            )
        check_labels(dataset, self.config.out_of_scope)
        return dataset


def flat(metrics: Metrics) -> dict[str, float]:
    """The numbers of an evaluation by their names."""
    found = {
        "test_items": float(metrics.items),
        "accuracy": metrics.accuracy.value,
        "accuracy_low": metrics.accuracy.low,
        "accuracy_high": metrics.accuracy.high,
        "macro_recall": metrics.macro_recall.value,
        "macro_f1": metrics.macro_f1.value,
        "calibration_error": metrics.calibration_error,
        "threshold": metrics.threshold,
    }
    if metrics.in_scope_recognized is not None and metrics.out_of_scope_recall is not None:
        found |= {
            "in_scope_recognized": metrics.in_scope_recognized,
            "out_of_scope_recall": metrics.out_of_scope_recall,
        }
    return found


def _by_vectors(head: Head, dataset: Dataset) -> Predict:
    return lambda places: head.probabilities(_vectors(dataset)[list(places)])


def _vectors(dataset: Dataset) -> Array:
    assert dataset.vectors is not None
    return dataset.vectors


def _loss(fitted: Fitted) -> float:
    rows = np.arange(len(fitted.held_out_labels))
    return float(-np.log(np.maximum(fitted.held_out[rows, fitted.held_out_labels], 1e-12)).mean())
