"""Fine-tuning an encoder: labels, ratings, resumption, what the operator says, and the gate of ratings."""

import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from modalities.classification.classifier import Classifier
from modalities.classification.requests import Classified, ClassifyText, Rated, RateText
from modalities.contract import ModelSpec, Source, Weights, no_progress
from modalities.errors import InvalidRequest
from storage.artifacts import ArtifactStore
from tests.training.test_pretraining import CONFIG as BERT
from tests.training.test_pretraining import Killed
from training.datasets.folder import Dataset, DatasetFacts, write_folder
from training.datasets.manifest import InvalidDataset, Item, Split
from training.fine_tuning.encoder import link_encoder
from training.fine_tuning.ratings import compare_ratings, measure_ratings, paired_permutation_p_value
from training.fine_tuning.recipe import FineTuning
from training.pipeline import MODEL, DataMissing
from training.pretraining.recipe import Pretraining
from training.run import train_recipe

WORDS = {1: "awful", 2: "poor", 4: "good", 5: "lovely"}
THINGS = ("soup", "film", "phone", "room", "book")
CONFIG: dict[str, object] = {
    "recipe": "training.fine_tuning.recipe:FineTuning",
    "encoder": "tiny",
    "max_tokens": 24,
    "batch_tokens": 128,
    "learning_rate": 5e-3,
    "epochs": 6,
}


def reviews(folder: Path, *, stars: bool = False, outside: int = 0) -> Path:
    """A dataset of 160 reviews whose one telling word decides label and stars; the last ones are of no label."""
    splits: tuple[Split, ...] = ("train", "train", "train", "test")
    items: list[Item] = []
    for number in range(160):
        rating, thing = list(WORDS)[number % 4], THINGS[number % 5]
        label = str(rating) if stars else "positive" if rating > 3 else "negative"
        text = f"The {thing} number {number} was {WORDS[rating]}, they say."
        items.append(Item(text=text, label=label, split=splits[number // 4 % 4]))
    items += [Item(text=f"When is it open on day {at}?", label="oos", split=splits[at % 4]) for at in range(outside)]
    labels = tuple(sorted({item.label or "" for item in items}))
    facts = DatasetFacts(name="reviews", digest="0" * 64, kind="texts", labels=labels)
    write_folder(folder, Dataset(facts=facts, items=tuple(items)))
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers that has seen the words of the reviews once."""
    work = tmp_path_factory.mktemp("bert")
    texts = "\n\n".join(f"The {thing} was {word}." for thing in THINGS for word in WORDS.values())
    (work / "texts.txt").write_text(f"{texts}\n\nThey say that number one is open.", encoding="utf-8")
    train_recipe(
        Pretraining("text-pretraining", BERT | {"epochs": 1, "vocabulary": 400}), work, data=work / "texts.txt"
    )
    return work / MODEL


def trained(work: Path, data: Path, encoder: Path, **changes: object) -> dict[str, float]:
    link_encoder(work, encoder, "tiny", "0" * 64)
    return dict(train_recipe(FineTuning("text-classification", CONFIG | changes), work, data=data, resume=True))


def served(folder: Path) -> Classifier:
    spec = ModelSpec(name="reviews", operator="classification", source=Source(alias="live"), licence="MIT")
    return Classifier.load(spec, Weights((folder,), "0" * 64, folder))


def test_labels_are_learned_calibrated_and_served(tmp_path: Path, encoder: Path) -> None:
    measured = trained(tmp_path / "work", reviews(tmp_path / "data", outside=40), encoder)
    assert measured["accuracy"] > 0.9
    assert 0 <= measured["out_of_scope_recall"] <= 1
    folder = tmp_path / "work" / MODEL
    assert {path.name for path in folder.iterdir()} >= {"classifier.json", "facts.json", "confusion.png", "losses.png"}
    assert "A fine-tuned `tiny`" in (folder / "README.md").read_text(encoding="utf-8")
    recipe = FineTuning("text-classification", CONFIG)
    assert recipe.evaluate(folder, tmp_path / "work", None)["accuracy"] == measured["accuracy"]
    asked = [ClassifyText(model="m", text=f"The room number 7 was {word}, they say.") for word in ("lovely", "awful")]
    store = cast("ArtifactStore", None)  # texts stand in their requests
    answers = served(folder)([*asked, RateText(model="m", text="How many stars?")], store, no_progress)
    assert [answer.label for answer in answers if isinstance(answer, Classified)] == ["positive", "negative"]
    assert isinstance(answers[2], InvalidRequest)


def test_ratings_are_learned_by_squared_error(tmp_path: Path, encoder: Path) -> None:
    data = reviews(tmp_path / "data", stars=True)
    measured = trained(tmp_path / "work", data, encoder, learns="ratings")
    assert measured["rmse"] < 0.6 * measured["baseline_rmse"]
    assert measured["pearson_low"] <= measured["pearson"] <= measured["pearson_high"]
    store = cast("ArtifactStore", None)
    [answer] = served(tmp_path / "work" / MODEL)(
        [RateText(model="m", text="The book number 7 was lovely, they say.")], store, no_progress
    )
    assert isinstance(answer, Rated)
    assert 3 < answer.value <= 5
    with pytest.raises(InvalidDataset, match="The label 'negative' in reviews is no number"):
        trained(tmp_path / "other", reviews(tmp_path / "labels"), encoder, learns="ratings")


def test_interrupted_fine_tuning_ends_as_if_it_had_not_been(tmp_path: Path, encoder: Path) -> None:
    data = reviews(tmp_path / "data")
    whole = trained(tmp_path / "whole", data, encoder, epochs=2)
    link_encoder(tmp_path / "work", encoder, "tiny", "0" * 64)

    def die(_part: str, done: int, steps: int, _loss: float) -> None:
        if done == steps - 2:
            raise Killed

    recipe = FineTuning("text-classification", CONFIG | {"epochs": 2})
    with pytest.raises(Killed):
        train_recipe(recipe, tmp_path / "work", data=data, progress=die)
    assert trained(tmp_path / "work", data, encoder, epochs=2) == pytest.approx(whole, rel=1e-4)
    shutil.rmtree(tmp_path / "work")
    with pytest.raises(DataMissing, match="no encoder to fine-tune"):
        train_recipe(recipe, tmp_path / "work", data=data)


def test_the_gate_of_ratings_compares_item_by_item() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(1, 6, 120).astype(float)
    good, bad = truth + rng.normal(0, 0.5, 120), truth + rng.normal(0, 0.9, 120)
    assert compare_ratings(truth, good, bad, 3.0).passed
    assert compare_ratings(truth, good, good, 3.0).passed
    assert "Its error is larger by" in str(compare_ratings(truth, bad, good, 3.0))
    assert compare_ratings(truth, bad, None, 3.0).passed
    assert "Always saying the mean" in str(compare_ratings(truth, np.full(120, 3.0), None, 3.0))
    assert paired_permutation_p_value(bad, bad) == 1.0


def test_rating_metrics_are_those_of_the_textbook() -> None:
    found = measure_ratings(np.array([1.0, 2, 3, 4]), np.array([1.0, 4, 9, 16]), 2.0)
    assert found.mae.value == pytest.approx(5)
    assert found.rmse.value == pytest.approx(np.sqrt((4 + 36 + 144) / 4))
    assert found.spearman.value == pytest.approx(1)
    assert found.pearson.value == pytest.approx(np.corrcoef([1, 2, 3, 4], [1, 4, 9, 16])[0, 1])
    assert found.baseline_rmse == pytest.approx(np.sqrt(1.5))
