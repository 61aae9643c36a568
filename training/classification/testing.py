"""What classifiers of any kind say about the test split of a dataset."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from modalities.classification.fine_tuned import FineTuned, Text
from training.classification.metrics import Metrics, Outcome, Probabilities, measure
from training.datasets.folder import Dataset
from training.datasets.manifest import InvalidDataset, Item

Predict = Callable[[Sequence[int]], Probabilities]
"""The probabilities of the items at these places of a dataset: shape (items, labels)."""


def classes_of(dataset: Dataset, outside: Collection[str]) -> list[str]:
    """The labels of a dataset that are classes, without those of items that are out of scope."""
    return [label for label in dataset.facts.labels if label.casefold() not in outside]


def is_outside(item: Item, outside: Collection[str]) -> bool:
    """Whether an item is labelled as out of scope."""
    return (item.label or "").casefold() in outside


def check_labels(dataset: Dataset, outside: Collection[str]) -> None:
    """Raise InvalidDataset if the training items have fewer than two labels, or the test items none."""
    for what, needed, places in (
        ("training", 2, dataset.of("train", "validation")),
        ("test", 1, dataset.of("test")),
    ):
        there = {dataset.items[place].label for place in places} & {*classes_of(dataset, outside)}
        if len(there) < needed:
            raise InvalidDataset(
                f"The dataset {dataset.facts.name} has {len(there)} labels with {what} items, "
                f"and needs {needed}: label more."
            )


def outcome(dataset: Dataset, labels: Sequence[str], predict: Predict, outside: Collection[str]) -> Outcome:
    """What a classifier with these labels says about the in-scope test items. A label that it does not know is one
    more class."""
    places = [place for place in dataset.of("test") if not is_outside(dataset.items[place], outside)]
    names = list(dict.fromkeys([*labels, *classes_of(dataset, outside)]))
    known = predict(places)
    probabilities = np.pad(known, ((0, 0), (0, len(names) - known.shape[1])))
    truth = np.array([names.index(dataset.items[place].label or "") for place in places], np.int64)
    return Outcome([dataset.items[place] for place in places], truth, probabilities, names)


def measured(
    dataset: Dataset, labels: Sequence[str], predict: Predict, outside: Collection[str], threshold: float
) -> Metrics:
    """The metrics of a classifier on the test split."""
    places = [place for place in dataset.of("test") if is_outside(dataset.items[place], outside)]
    of_outside = predict(places) if places else np.empty((0, 1))
    return measure(outcome(dataset, labels, predict, outside), of_outside, threshold)


def by_texts(model: FineTuned, dataset: Dataset) -> Predict:
    """The predictions of a fine-tuned encoder."""
    return lambda places: model.probabilities(texts_at(dataset, places))


def texts_at(dataset: Dataset, places: Sequence[int]) -> list[Text]:
    """The texts of items, each with the other one of its pair or an empty one."""
    return [(dataset.items[place].text, dataset.items[place].second) for place in places]


def text_of_item(item: Item) -> str:
    """The text that an encoder makes a vector of; the two of a pair with an empty line between them."""
    return f"{item.text}\n\n{item.second}" if item.second else item.text
