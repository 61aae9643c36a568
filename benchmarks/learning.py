"""Measure the recipes that learn from datasets: sentiment, 77 intents, 150 intents and none of them, few labels.

    .venv/bin/python -m benchmarks.learning DATA WORK [sentiment banking77 clinc150 semi-supervised]

DATA has NAME.train.csv, NAME.test.csv and perhaps NAME.validation.csv with the columns text and label. WORK keeps the
vectors, so that a second run needs seconds. Prints one JSON line for each task: metrics with intervals, and seconds of
processor.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flows.running.settings import ROOT
from modalities.embedding.text_encoder import TextEncoder
from modalities.models.catalogue import load_catalogue
from modalities.models.pool import OperatorPool
from modalities.models.weights import WeightsLocator
from training.classification.costs import cpu_seconds
from training.datasets.folder import Dataset, DatasetFacts, read_folder, write_folder
from training.datasets.manifest import Item, Manifest, collect
from training.datasets.rows import read_table
from training.pipeline import DataMissing
from training.recipes import load_recipe
from training.run import train_recipe

TASKS = ("sentiment", "banking77", "clinc150", "semi-supervised")
ENCODER = "starter-minilm"
FEW = 10
"""Labels of each class that the semi-supervised recipe gets; the others of the training split lose theirs."""
SEEDS = 3


def main(data: Path, work: Path, tasks: Sequence[str]) -> None:
    for task in tasks:
        started = cpu_seconds()
        if task == "semi-supervised":
            dataset = encoded("banking77", manifest(data, "banking77"), work)
            for seed in range(SEEDS):
                report(task, trained(task, with_few_labels(dataset, seed), work / f"few-{seed}"), started, seed=seed)
        else:
            dataset = encoded(task, manifest(data, task), work)
            vectors = dataset.facts.cpu_seconds
            report(task, trained("text-classification-probe", dataset, work / task), started, vectors_seconds=vectors)


def manifest(data: Path, task: str) -> Manifest:
    rows = [row for path in sorted(data.glob(f"{task}.*.csv")) for row in read_table(path)]
    return collect("texts", [(row.item, row.split) for row in rows]).manifest


def encoded(task: str, given: Manifest, work: Path) -> Dataset:
    """The dataset with the vectors of its texts, from WORK if they are there."""
    folder, name = work / f"{task}-data", f"{task}"
    try:
        before = read_folder(folder)
        if before.items == given.items:
            return before
    except DataMissing:
        pass
    catalogue = load_catalogue(ROOT / "configs" / "models.yaml", "starter")
    pool = OperatorPool(catalogue, WeightsLocator(ROOT, work / "cache", None))
    started = cpu_seconds()
    with pool.operator(ENCODER) as encoder:
        assert isinstance(encoder, TextEncoder)
        vectors = encoder.encode_texts([item.text for item in given.items])
    facts = DatasetFacts(
        name=name,
        digest="0" * 64,
        kind="texts",
        labels=tuple(given.labels),
        space=ENCODER,
        model=ENCODER,
        cpu_seconds=cpu_seconds() - started,
    )
    dataset = Dataset(facts=facts, items=given.items, vectors=vectors)
    work.mkdir(parents=True, exist_ok=True)
    write_folder(folder, dataset)
    return dataset


def with_few_labels(dataset: Dataset, seed: int) -> Dataset:
    """Ten labels of each class, drawn by the seed; the rest of the training split without labels."""
    rng, kept = np.random.default_rng(seed), set[int]()
    by_label: defaultdict[str | None, list[int]] = defaultdict(list)
    for place in dataset.of("train", "validation"):
        by_label[dataset.items[place].label].append(place)
    for places in by_label.values():
        kept |= {places[int(at)] for at in rng.permutation(len(places))[:FEW]}

    def item(place: int, one: Item) -> Item:
        hidden = one.split != "test" and place not in kept
        return one.model_copy(update={"label": None} if hidden else {})

    items = tuple(item(place, one) for place, one in enumerate(dataset.items))
    return dataset.model_copy(update={"items": items})


def trained(recipe: str, dataset: Dataset, work: Path) -> dict[str, float]:
    work.mkdir(parents=True, exist_ok=True)
    write_folder(work / "dataset", dataset)
    return dict(train_recipe(load_recipe(recipe, ROOT / "configs"), work))


def report(task: str, measured: dict[str, float], started: float, **more: float) -> None:
    numbers = {name: round(value, 4) for name, value in measured.items()}
    print(json.dumps({"task": task, "cpu_seconds": round(cpu_seconds() - started, 1), **more, **numbers}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] or TASKS)
