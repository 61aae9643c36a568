"""Pretraining a BERT from nothing: WordPiece, pairs of segments, masking, resumption, and what it learns."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from training.datasets.folder import DATASET, Dataset, DatasetFacts, write_folder
from training.datasets.manifest import Item
from training.optimization import CHECKPOINT, batches_of
from training.pipeline import LOSSES, MODEL, DataMissing
from training.pretraining.corpus import read_documents
from training.pretraining.examples import SPECIAL_TOKENS, PackedTexts, pairs_of
from training.pretraining.recipe import Pretraining
from training.run import train_recipe

SUBJECTS = {"the cook": "soup", "the pilot": "planes", "the farmer": "corn", "the teacher": "books"}
VERBS = ("likes", "sells", "wants", "needs")
CONFIG: dict[str, object] = {
    "recipe": "training.pretraining.recipe:Pretraining",
    "vocabulary": 120,
    "width": 32,
    "layers": 2,
    "heads": 2,
    "dropout": 0.0,
    "max_tokens": 24,
    "batch_tokens": 256,
    "epochs": 5,
    "learning_rate": 3e-3,
    "checkpoint_steps": 5,
    "held_out": 0.1,
}


def stories() -> Iterable[str]:
    """Texts of two sentences about one person, whose thing decides the sentence that follows."""
    rng = np.random.default_rng(1)
    for number in range(240):
        subject = list(SUBJECTS)[number % 4]
        first, second = rng.choice(VERBS, 2)
        yield f"{subject} {first} {SUBJECTS[subject]}. Number {number} {second} {SUBJECTS[subject]} too."


def trained(work: Path, texts: Path, **changes: object) -> dict[str, float]:
    return dict(train_recipe(Pretraining("text-pretraining", CONFIG | changes), work, data=texts, resume=True))


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "stories.txt").write_text("\n\n".join(stories()), encoding="utf-8")
    return tmp_path / "texts"


def test_it_learns_words_and_transformers_loads_it(tmp_path: Path, texts: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    measured = trained(tmp_path / "work", texts)
    # The vocabulary differs from run to run (see train_wordpiece): 0.26 to 0.38 of the masked pieces, and 13 to 16.
    assert measured["masked_accuracy"] > 1.2 * measured["most_frequent_token"]
    assert measured["masked_perplexity"] < 30
    folder = tmp_path / "work" / MODEL
    tokens = AutoTokenizer.from_pretrained(folder)("The cook", "likes soup", return_tensors="pt")
    assert tokens["token_type_ids"].max() == 1
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder)(**tokens).last_hidden_state
    assert states.shape == (1, tokens["input_ids"].shape[1], 32)
    assert "216 texts" in (folder / "README.md").read_text(encoding="utf-8")
    again = Pretraining("text-pretraining", CONFIG).evaluate(folder, tmp_path / "work", None)
    assert again["masked_perplexity"] == pytest.approx(measured["masked_perplexity"])


class Killed(Exception):
    """Stands for the end of the process."""


def test_interrupted_it_ends_as_if_it_had_not_been(tmp_path: Path, texts: Path) -> None:
    recipe = Pretraining("text-pretraining", CONFIG | {"epochs": 2})
    (tmp_path / "work").mkdir()
    recipe.prepare(tmp_path / "work", texts)
    shutil.copytree(tmp_path / "work", tmp_path / "whole")
    whole = trained(tmp_path / "whole", texts, epochs=2)

    def die(_part: str, done: int, _steps: int, _loss: float) -> None:
        if done == 13:
            raise Killed

    with pytest.raises(Killed):
        train_recipe(recipe, tmp_path / "work", data=texts, resume=True, progress=die)
    assert (tmp_path / "work" / CHECKPOINT).exists()
    assert trained(tmp_path / "work", texts, epochs=2) == pytest.approx(whole, rel=1e-4)


def test_with_other_texts_it_begins_again(tmp_path: Path, texts: Path) -> None:
    trained(tmp_path / "work", texts, epochs=0.2)
    (texts / "more.txt").write_text("Somebody adds a text.", encoding="utf-8")
    recipe = Pretraining("text-pretraining", CONFIG)
    recipe.prepare(tmp_path / "work", texts)
    assert not (tmp_path / "work" / CHECKPOINT).exists()
    assert not (tmp_path / "work" / LOSSES).exists()


def test_the_test_split_of_a_dataset_is_not_pretrained_on(tmp_path: Path, texts: Path) -> None:
    items = (Item(text="This is secret.", split="test", label="a"), Item(text="This is open.", label="a"))
    facts = DatasetFacts(name="notes", digest="0" * 64, kind="texts", labels=("a",))
    write_folder(tmp_path / DATASET, Dataset(facts=facts, items=items))
    (texts / "leak.txt").write_text("this is SECRET.\n\nSomething else.", encoding="utf-8")
    found = {" ".join(document) for document in read_documents(tmp_path / DATASET, texts)}
    assert "This is open." in found
    assert "Something else." in found
    assert not any("secret" in document.casefold() for document in found)


def test_few_texts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("A text.", encoding="utf-8")
    with pytest.raises(DataMissing, match="There are 1 texts to pretrain on"):
        read_documents(None, tmp_path)


def test_pairs_fit_and_half_of_the_second_parts_are_of_other_texts() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 30, 900)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    packed = PackedTexts(rng.integers(0, 50, int(starts[-1])).astype(np.int32), starts, np.arange(0, 901, 3))
    pairs = pairs_of(packed, np.zeros(50, bool), 64, 5)
    assert pairs.lengths.max() <= 64
    assert pairs.lengths.min() > SPECIAL_TOKENS + 1
    assert 0.4 < pairs.is_random.mean() < 0.6
    assert (pairs.other[~pairs.is_random] == pairs.cut[~pairs.is_random]).all()
    assert np.isin(pairs.cut, starts).mean() > 0.5  # between sentences where a window has several
    batches = batches_of(pairs.lengths, 256, 1)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(pairs)))
    assert max(pairs.lengths[batch].max() * len(batch) for batch in batches) <= 256
