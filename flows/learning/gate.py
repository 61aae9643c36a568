"""Compare a classifier of any kind with the version in use, on the test split of a dataset."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flows.library.classification.vectors import text_vectors
from flows.running.platform import Space
from modalities.classification.classifier import is_fine_tuned
from modalities.classification.fine_tuned import FineTuned
from modalities.classification.head import HEAD_FACTS, Head
from training.classification.gate import GateReport, compare
from training.classification.metrics import Outcome, Probabilities
from training.classification.recipe import OUT_OF_SCOPE
from training.classification.testing import Predict, by_texts, outcome, text_of_item, texts_at
from training.datasets.folder import Dataset
from training.fine_tuning.ratings import RatingReport, compare_ratings, ratings_at
from training.pipeline import TrainingRecipe

Loaded = Head | FineTuned


def is_classifier(folder: Path) -> bool:
    """Whether a folder holds a classifier of either kind."""
    return (folder / HEAD_FACTS).exists() or is_fine_tuned(folder)


def load_classifier(folder: Path) -> Loaded:
    """Load a classifier of either kind. Raises ModelUnavailable."""
    return FineTuned.load(folder) if is_fine_tuned(folder) else Head.load(folder)


def outside_labels(recipe: TrainingRecipe) -> tuple[str, ...]:
    """The labels that a recipe takes as out of scope."""
    config: Any = getattr(recipe, "config", None)
    return getattr(config, "out_of_scope", OUT_OF_SCOPE)


def compare_at_gate(
    space: Space, candidate: Loaded, live: Loaded | None, data: Dataset, outside: Collection[str]
) -> GateReport | RatingReport:
    """Compare by the exact McNemar test, or ratings by a permutation test. What cannot be compared is refused."""
    if isinstance(candidate, FineTuned) and candidate.facts.rates:
        return _compare_ratings(candidate, live, data)
    tested = _tested(space, candidate, data, outside)
    assert tested is not None  # the candidate was trained on this dataset
    if live is None:
        return compare(tested, None)
    before = None if isinstance(live, FineTuned) and live.facts.rates else _tested(space, live, data, outside)
    if before is None:
        report = compare(tested, None)
        reads = f"reads other vectors ({live.facts.space})" if isinstance(live, Head) else "gives numbers"
        reason = f"The version in use {reads}, so that the two cannot be compared."
        return report.model_copy(update={"reasons": [*report.reasons, reason]})
    return compare(tested, before)


def _compare_ratings(candidate: FineTuned, live: Loaded | None, data: Dataset) -> RatingReport:
    places = data.of("test")
    truth, texts = ratings_at(data, places), texts_at(data, places)
    rates = isinstance(live, FineTuned) and live.facts.rates
    before = live.ratings(texts) if isinstance(live, FineTuned) and rates else None
    report = compare_ratings(truth, candidate.ratings(texts), before, candidate.facts.mean)
    if live is None or rates:
        return report
    reason = "The version in use gives labels, so that the two cannot be compared."
    return report.model_copy(update={"reasons": [*report.reasons, reason]})


def _tested(space: Space, loaded: Loaded, data: Dataset, outside: Collection[str]) -> Outcome | None:
    """What a classifier says about the test split; None if its vectors cannot be had any more."""
    predict = by_texts(loaded, data) if isinstance(loaded, FineTuned) else _by_vectors(space, loaded, data)
    return outcome(data, loaded.facts.labels, predict, outside) if predict else None


def _by_vectors(space: Space, head: Head, data: Dataset) -> Predict | None:
    """By the vectors of the dataset, or by those of the head's encoder, if it is still the same."""
    facts, vectors = head.facts, data.vectors
    if vectors is not None and data.facts.space == facts.space:
        return lambda places: head.probabilities(vectors[list(places)])
    if data.facts.kind == "pictures" or space.platform.find_vector_space(facts.encoder) != facts.space:
        return None

    def predict(places: Sequence[int]) -> Probabilities:
        rows = text_vectors(space, facts.encoder, [text_of_item(data.items[place]) for place in places])
        return head.probabilities(np.stack(rows))

    return predict
