"""Measure what pretraining a small BERT is worth: sentiment by the same BERT with and without it, same test items.

    .venv/bin/python -m benchmarks.pretraining DATA TEXTS WORK [pretraining fine-tuning banking77]

DATA has sentiment.train.csv and sentiment.test.csv (for banking77 its own) with the columns text and label. TEXTS is a
folder of .txt files; test sentences are not pretrained on. WORK keeps checkpoints: interrupted, it goes on. Prints one
JSON line for each model: metrics with intervals, the paired test against the BERT without pretraining, and seconds of
processor.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.learning import manifest
from flows.running.settings import ROOT
from modalities.classification.fine_tuned import FineTuned
from modalities.embedding.text_encoder import model_folder
from modalities.models.catalogue import load_catalogue
from modalities.models.weights import WeightsLocator
from training.classification.metrics import Outcome, paired_p_value
from training.classification.recipe import OUT_OF_SCOPE
from training.classification.testing import by_texts, outcome
from training.datasets.folder import DATASET, Dataset, DatasetFacts, read_folder, write_folder
from training.fine_tuning.encoder import link_encoder
from training.fine_tuning.recipe import FineTuning
from training.optimization import trained_weights
from training.pipeline import MODEL, has_begun
from training.pretraining.recipe import Pretraining
from training.run import train_recipe

TASKS = ("pretraining", "fine-tuning", "banking77")
BERT = {"width": 128, "layers": 2, "heads": 2, "max_tokens": 64, "epochs": 3, "learning_rate": 2e-3}
"""A size that two cores pretrain in minutes."""
TUNING = {"max_tokens": 64, "learning_rate": 5e-4, "epochs": 8, "patience": 2}
"""The same with and without pretraining."""
SEEDS = 3
ENCODER = "starter-minilm"


def main(data: Path, texts: Path, work: Path, tasks: Sequence[str]) -> None:
    work.mkdir(parents=True, exist_ok=True)
    if "pretraining" in tasks:
        pretrain(data, texts, work / "bert")
    if "fine-tuning" in tasks:
        untrained(work / "bert", work / "untrained")
        for seed in range(SEEDS):
            without = tuned(work / f"without-{seed}", data, work / "untrained", seed)
            with_it = tuned(work / f"with-{seed}", data, work / "bert" / MODEL, seed)
            report("sentiment, not pretrained", work / f"without-{seed}", seed=seed)
            p_value = paired_p_value(without.right, with_it.right)
            report("sentiment, pretrained", work / f"with-{seed}", seed=seed, p_value=p_value)
    if "banking77" in tasks:
        catalogue = load_catalogue(ROOT / "configs" / "models.yaml", "starter")
        weights = WeightsLocator(ROOT, work / "cache", None).locate(catalogue.spec(ENCODER))
        tuned(work / "banking77", data, model_folder(ENCODER, weights), 0, "banking77", {"epochs": 4})
        report("banking77", work / "banking77")


def pretrain(data: Path, texts: Path, work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    write_folder(work / DATASET, dataset_of(data, "sentiment"))
    train_recipe(bert(), work, data=texts, resume=True)
    report("pretraining", work)


def bert() -> Pretraining:
    return Pretraining("text-pretraining", entry("text-pretraining") | BERT)


def untrained(pretrained: Path, folder: Path) -> None:
    """The same BERT with the same vocabulary and random weights."""
    from transformers import AutoTokenizer

    bert().build(pretrained).save_pretrained(folder)
    AutoTokenizer.from_pretrained(pretrained / MODEL).save_pretrained(folder)


def tuned(
    work: Path, data: Path, encoder: Path, seed: int, task: str = "sentiment", settings: dict[str, Any] | None = None
) -> Outcome:
    """Fine-tune, and return what the classifier says about the test split."""
    work.mkdir(parents=True, exist_ok=True)
    if not has_begun(work):
        write_folder(work / DATASET, dataset_of(data, task))
    link_encoder(work, encoder, encoder.name, str(encoder))
    changes = (TUNING if settings is None else settings) | {"seed": seed}
    train_recipe(FineTuning("text-classification", entry("text-classification") | changes), work, resume=True)
    model, dataset = FineTuned.load(work / MODEL), read_folder(work / DATASET)
    return outcome(dataset, model.facts.labels, by_texts(model, dataset), OUT_OF_SCOPE)


def dataset_of(data: Path, task: str) -> Dataset:
    given = manifest(data, task)
    facts = DatasetFacts(name=task, digest="0" * 64, kind="texts", labels=tuple(given.labels))
    return Dataset(facts=facts, items=given.items)


def entry(recipe: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "configs" / "learning.yaml").read_text(encoding="utf-8"))[recipe]


def report(task: str, work: Path, **more: float) -> None:
    facts = json.loads((work / MODEL / "facts.json").read_text(encoding="utf-8"))
    numbers = {name: round(value, 4) for name, value in (facts["metrics"] | more).items()}
    seconds = round(trained_weights(work)["cpu_seconds"], 1)
    print(json.dumps({"task": task, "cpu_seconds": seconds, **numbers}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:] or TASKS)
