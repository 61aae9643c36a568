"""Classifiers on vectors: fitting, calibration, evaluation, out of scope, pseudo-labels, and the gate."""

from pathlib import Path

import numpy as np
import pytest

from modalities.classification.head import Head
from tests.paths import ROOT
from training.classification.fit import examples, fit_by_folds
from training.classification.gate import compare
from training.classification.metrics import Outcome, calibration_error, measure, paired_p_value
from training.classification.recipe import ProbeTraining
from training.datasets.folder import DATASET, Dataset, DatasetFacts, write_folder
from training.datasets.manifest import InvalidDataset, Item, Split
from training.pipeline import MODEL
from training.recipes import load_recipe
from training.run import train_recipe

DIMENSION = 12
LABELS = ("apple", "pear", "plum")


def points(rng: np.random.Generator, label: int, count: int, noise: float = 0.35) -> np.ndarray:
    """Unit vectors around the axis of a label."""
    rows = np.eye(DIMENSION)[label] + noise * rng.normal(size=(count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def made(tmp_path: Path, *, outside: int = 0, unlabelled: int = 0, each: int = 40, noise: float = 0.35) -> Dataset:
    """A dataset of three labels that can be told apart; the last vectors are of no label."""
    rng = np.random.default_rng(7)
    items: list[Item] = []
    rows: list[np.ndarray] = []
    splits: tuple[Split, ...] = ("train", "train", "train", "validation", "test")
    for number, label in enumerate((*LABELS, *(["oos"] if outside else []))):
        count = outside if label == "oos" else each
        rows.append(points(rng, number if label != "oos" else 8, count, noise))
        items += [
            Item(text=f"{label} {at}", label=label, split=splits[at % 5], language="en" if at % 2 else "de")
            for at in range(count)
        ]
    for at in range(unlabelled):
        rows.append(points(rng, at % 3, 1, noise))
        items.append(Item(text=f"unknown {at}"))
    labels = tuple(dict.fromkeys(item.label for item in items if item.label))
    facts = DatasetFacts(name="fruit", digest="0" * 64, kind="texts", labels=labels, space="toy@1", model="toy")
    dataset = Dataset(facts=facts, items=tuple(items), vectors=np.concatenate(rows))
    write_folder(tmp_path / "data", dataset)
    return dataset


def trained(name: str, tmp_path: Path) -> tuple[ProbeTraining, dict[str, float]]:
    recipe = load_recipe(name, ROOT / "configs")
    assert isinstance(recipe, ProbeTraining)
    return recipe, dict(train_recipe(recipe, tmp_path / "work", data=tmp_path / "data"))


def test_the_probe_learns_is_calibrated_and_its_folder_says_what_it_is(tmp_path: Path) -> None:
    made(tmp_path)
    recipe, measured = trained("text-classification-probe", tmp_path)
    assert measured["accuracy"] > 0.9
    assert measured["accuracy_low"] <= measured["accuracy"] <= measured["accuracy_high"]
    folder = tmp_path / "work" / MODEL
    assert {path.name for path in folder.iterdir()} >= {
        "head.json",
        "facts.json",
        "confusion.png",
        "calibration.png",
    }
    assert dict(recipe.evaluate(folder, tmp_path / "work", None))["accuracy"] == measured["accuracy"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "| language=de |" in card
    assert "10 W for each busy core" in card
    assert trained("text-classification-probe", tmp_path)[1] == measured  # and again, without --resume


def test_what_is_out_of_scope_is_below_the_threshold(tmp_path: Path) -> None:
    made(tmp_path, outside=80, noise=0.2)
    _, measured = trained("text-classification-probe", tmp_path)
    assert Head.load(tmp_path / "work" / MODEL).facts.labels == LABELS
    assert measured["out_of_scope_recall"] > 0.6
    assert measured["in_scope_recognized"] > 0.6


def test_pseudo_labels_are_reported_beside_the_supervised_baseline(tmp_path: Path) -> None:
    made(tmp_path, unlabelled=150, each=10, noise=0.45)
    _, measured = trained("semi-supervised", tmp_path)
    assert measured["pseudo_labelled"] > 50
    assert 0 < measured["supervised_accuracy"] <= 1
    assert 0 < measured["paired_p_value"] <= 1


def test_a_dataset_that_cannot_be_learned_from_is_refused(tmp_path: Path) -> None:
    dataset = made(tmp_path)
    only = tuple(item for item in dataset.items if item.label == "plum")
    write_folder(
        tmp_path / "data", dataset.model_copy(update={"items": only, "vectors": np.zeros((len(only), 3), "f4")})
    )
    with pytest.raises(InvalidDataset, match="has 1 labels with training items, and needs 2"):
        trained("text-classification-probe", tmp_path)
    with pytest.raises(
        InvalidDataset, match="picture-classification learns from pictures, and the dataset fruit has texts"
    ):
        trained("picture-classification", tmp_path)


def test_few_examples_are_fitted_by_cross_validation() -> None:
    rng = np.random.default_rng(3)
    vectors = np.concatenate([points(rng, label, 6) for label in range(3)])
    fitted = fit_by_folds(examples(vectors, np.repeat(np.arange(3), 6)), 3)
    assert fitted.held_out.shape == (18, 3)
    assert (fitted.held_out.argmax(axis=1) == fitted.held_out_labels).mean() > 0.6


def outcome(said: str, truth: str) -> Outcome:
    names = sorted({*truth, *said})
    probabilities = np.full((len(truth), len(names)), 0.1)
    probabilities[np.arange(len(truth)), [names.index(each) for each in said]] = 0.9
    labels = np.array([names.index(each) for each in truth], np.int64)
    return Outcome([Item(text=each, label=each) for each in truth], labels, probabilities, names)


TRUTH = "a" * 20 + "b" * 10 + "c" * 10


def test_the_gate_lets_the_better_and_the_equal_pass() -> None:
    live = outcome("a" * 22 + "b" * 8 + "c" * 10, TRUTH)
    assert compare(outcome(TRUTH, TRUTH), live).passed
    assert compare(live, live).passed
    assert compare(live, None).passed


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("a" * 20 + "b" * 10 + "a" * 8 + "cc", "less accurate by 0.200"),
        ("a" * 20 + "b" * 10 + "a" * 8 + "cc", "finds 80% less of c (8 of the test items)"),
        ("c" * 5 + "a" * 15 + "b" * 10 + "c" * 10, "finds 25% less of a"),
    ],
)
def test_the_gate_refuses_what_is_worse_overall_or_in_a_class(said: str, reason: str) -> None:
    report = compare(outcome(said, TRUTH), outcome(TRUTH, TRUTH))
    assert not report.passed
    assert reason in str(report)


def test_a_class_that_lost_is_refused_although_the_whole_gained() -> None:
    live = outcome("b" * 10 + "a" * 10 + "b" * 10 + "c" * 10, TRUTH)
    report = compare(outcome("a" * 20 + "b" * 10 + "a" * 3 + "c" * 7, TRUTH), live)
    assert report.candidate_accuracy > (report.live_accuracy or 0)
    assert report.reasons == ["It finds 30% less of c (3 of the test items)."]


def test_the_first_version_must_beat_the_most_frequent_label() -> None:
    assert "most frequent label" in str(compare(outcome("a" * 40, TRUTH), None))


def test_metrics_are_those_of_the_textbook() -> None:
    found = measure(outcome("aab" + "bbb", "aaa" + "bbb"), np.empty((0, 1)), 0.0)
    assert found.accuracy.value == pytest.approx(5 / 6)
    assert found.macro_recall.value == pytest.approx((2 / 3 + 1) / 2)
    assert found.macro_f1.value == pytest.approx((4 / 5 + 6 / 7) / 2)
    assert calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])) == pytest.approx(0.4)
    right = np.array([True] * 12)
    assert paired_p_value(right, np.array([False] * 10 + [True] * 2)) == pytest.approx(2 / 1024)
    assert paired_p_value(right, right) == 1.0


def test_the_dataset_folder_is_linked_and_not_copied(tmp_path: Path) -> None:
    made(tmp_path)
    trained("text-classification-probe", tmp_path)
    assert (tmp_path / "work" / DATASET).readlink() == tmp_path / "data"
