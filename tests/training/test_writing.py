"""A small language model from nothing: it learns the next token, goes on where it was interrupted, and can be used."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from modalities.contract import ModelSpec, Source, Weights, no_progress
from modalities.writing.causal_lm import CausalLm
from modalities.writing.requests import Turn, Write, Written
from storage.artifacts import ArtifactStore
from training.pipeline import MODEL, DataMissing
from training.run import train_recipe
from training.writing.recipe import WritingTraining
from training.writing.tokens import unigram_perplexity, windows

CONFIG = {
    "recipe": "training.writing.recipe:WritingTraining",
    "vocabulary": 300,
    "width": 32,
    "layers": 2,
    "heads": 2,
    "context_tokens": 24,
    "batch": 8,
    "epochs": 3,
    "learning_rate": 5e-3,
    "checkpoint_steps": 5,
    "held_out": 0.1,
}


def letters() -> Iterable[str]:
    for number in range(80):
        thing = ("kettle", "lamp", "chair", "clock")[number % 4]
        yield f"Dear customer {number}, your {thing} will be sent on Monday. Thank you for buying a {thing}."


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    (tmp_path / "letters.txt").write_text("\n\n".join(letters()), encoding="utf-8")
    return tmp_path / "letters.txt"


class Killed(Exception):
    """Stands for the end of the process."""


def test_it_learns_resumes_exactly_and_writes(tmp_path: Path, texts: Path, modality_store: ArtifactStore) -> None:
    recipe, work = WritingTraining("writing", CONFIG), tmp_path / "whole"
    measured = train_recipe(recipe, work, data=texts)
    assert measured["perplexity"] < measured["perplexity_of_frequencies"] < measured["perplexity_before"]
    card = (work / MODEL / "README.md").read_text(encoding="utf-8")
    assert f"| after training | {measured['perplexity']:.1f} |" in card
    assert recipe.evaluate(work / MODEL, work, None)["perplexity"] == pytest.approx(measured["perplexity"])

    def kill(_part: str, done: int, _steps: int, _loss: float) -> None:
        if done == 12:
            raise Killed

    with pytest.raises(Killed):
        train_recipe(recipe, tmp_path / "killed", data=texts, progress=kill)
    again = train_recipe(recipe, tmp_path / "killed", data=texts, resume=True)
    assert again["perplexity"] == pytest.approx(measured["perplexity"], rel=1e-4)

    folder = work / MODEL
    spec = ModelSpec(name="tiny", operator="causal-lm", source=Source(folder=str(folder)), licence="MIT", device="cpu")
    model = CausalLm.load(spec, Weights((folder,), "", folder))
    request = Write(model="tiny", turns=(Turn(role="user", text="Dear customer"),), max_tokens=10)
    [answer] = model([request], modality_store, no_progress)
    assert isinstance(answer, Written)
    assert "your" in answer.text


def test_few_texts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("One text.", encoding="utf-8")
    with pytest.raises(DataMissing, match="texts"):
        WritingTraining("writing", CONFIG).prepare(tmp_path / "work", tmp_path / "few.txt")


def test_windows_cover_the_row_once() -> None:
    row = np.arange(101, dtype=np.int32)
    batches = list(windows(row, 10, 4, seed=1))
    targets = np.concatenate([batch[:, 1:].ravel() for batch in batches])
    assert sorted(targets) == list(range(1, 101))
    assert all((batch[:, 1:] == batch[:, :-1] + 1).all() for batch in batches)
    assert unigram_perplexity(np.zeros(98, np.int32), np.zeros(9, np.int32), 2) == pytest.approx(100 / 99)
