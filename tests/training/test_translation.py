"""The promises of the translation recipe: a run that was cut off goes on alike, and what it publishes translates."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.pipeline import MODEL, DataMissing, read_losses
from training.recipes import load_recipe
from training.run import train_recipe
from training.translation.callbacks import WeightAverage
from training.translation.data import read_pairs
from training.translation.recipe import TranslationTraining
from training.translation.trainer import HELD_OUT, TranslationConfig, from_checkpoint, last_checkpoint, train

CONFIG = TranslationConfig(
    sources=("en",),
    targets=("de", "fr"),
    vocabulary=320,
    width=32,
    encoder_layers=1,
    decoder_layers=1,
    batch_pairs=16,
    learning_rate=5e-3,
    warmup_steps=5,
    epochs=1,
    checkpoint_steps=30,
)
WORDS = {
    "de": {"the": "das", "red": "rote", "old": "alte", "house": "Haus", "car": "Auto", "is": "ist", "big": "groß"},
    "fr": {"the": "le", "red": "rouge", "old": "vieux", "house": "logis", "car": "char", "is": "est", "big": "grand"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences of seven words that are translated word by word."""
    folder = tmp_path_factory.mktemp("pairs")
    draw = random.Random(1)
    for language, words in WORDS.items():
        sentences = [" ".join(draw.choices(list(words), k=draw.randint(3, 7))) for _ in range(320)]
        rows = [f"{text}\t{' '.join(words[word] for word in text.split())}" for text in sentences]
        (folder / f"tatoeba.en-{language}.tsv").write_text("\n".join(rows), encoding="utf-8")
    return folder


RUN = """
import sys; from pathlib import Path; import torch; torch.set_num_threads(1)
from training.translation.trainer import TranslationConfig, train
train(Path(sys.argv[1]), Path(sys.argv[2]), TranslationConfig.model_validate_json(sys.argv[3]))
"""


def start(work: Path, data: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", RUN, str(work), str(data), CONFIG.model_dump_json()])


def leave_half_of_a_checkpoint(folder: Path) -> None:
    """What lies there when a run is killed while it saves."""
    folder.mkdir(exist_ok=True)
    (folder / WeightAverage.FILE).unlink(missing_ok=True)
    (folder / f"{WeightAverage.FILE}.unfinished").touch()
    for name in ("model.safetensors", "optimizer.pt"):
        (folder / name).write_bytes(b"half")


@pytest.mark.timeout(600)
def test_a_killed_training_goes_on_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole, data).wait(280) == 0
    process = start(killed, data)
    while not (killed / "checkpoint-30" / WeightAverage.FILE).exists() and process.poll() is None:
        time.sleep(0.005)  # in the middle of the only epoch
    assert process.poll() is None, "the run ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    leave_half_of_a_checkpoint(killed / "checkpoint-60")
    assert last_checkpoint(killed).name == "checkpoint-30"
    assert start(killed, data).wait(280) == 0
    assert last_checkpoint(killed).name == last_checkpoint(whole).name == "checkpoint-120"
    one, other = from_checkpoint(last_checkpoint(whole)), from_checkpoint(last_checkpoint(killed))
    for (name, weights), (_, others) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        assert weights.allclose(others, atol=1e-4), name
    curves = [read_losses(work / "losses.jsonl")["model"] for work in (whole, killed)]
    assert curves[0].keys() == curves[1].keys()
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)


def test_training_starts_from_published_weights_and_their_vocabulary(data: Path, tmp_path: Path) -> None:
    recipe = TranslationTraining("tiny", CONFIG.model_copy(update={"epochs": 0.2}))
    train_recipe(recipe, tmp_path / "first", data=data)
    published = tmp_path / "first" / MODEL
    more = CONFIG.model_copy(update={"epochs": 0.01, "learning_rate": 0.0})
    model = train(tmp_path / "second", data, more, initial=published)
    before = type(model).from_pretrained(published).float()
    for (name, weights), (_, others) in zip(model.named_parameters(), before.named_parameters(), strict=True):
        assert weights.allclose(others, atol=1e-3), name
    first, second = (tmp_path / name / "vocabulary" / "vocab.json" for name in ("first", "second"))
    assert json.loads(second.read_text(encoding="utf-8")) == json.loads(first.read_text(encoding="utf-8"))


def test_a_recipe_trains_on_pairs_puts_some_aside_measures_and_writes_a_card(data: Path, tmp_path: Path) -> None:
    recipe, told = TranslationTraining("tiny", CONFIG.model_copy(update={"epochs": 0.1})), list[int]()
    measured = train_recipe(
        recipe, tmp_path, data=data, resume=True, progress=lambda part, done, steps, loss: told.append(done)
    )
    assert told == list(range(1, len(told) + 1))
    assert {"BLEU en → de held-out", "chrF en → fr held-out", "run-ons"} <= measured.keys()
    aside = (tmp_path / HELD_OUT / "held-out.en-de.tsv").read_text(encoding="utf-8").splitlines()
    assert 0 < len(aside) <= 32
    card = (tmp_path / MODEL / "README.md").read_text(encoding="utf-8")
    assert "| en → de | held-out |" in card
    assert "manythings.org" in card  # the files are named after Tatoeba
    assert (tmp_path / MODEL / "losses.png").stat().st_size > 1000
    assert str(tmp_path).encode() not in (tmp_path / MODEL / "source.spm").read_bytes()
    assert json.loads((tmp_path / MODEL / "config.json").read_text())["architectures"] == ["MarianMTModel"]


def test_a_recipe_without_data_says_what_it_needs(tmp_path: Path) -> None:
    recipe = load_recipe("translation-en-x", Path("configs"))
    with pytest.raises(DataMissing, match=r"sentence pairs \(en → de, fr, es, zh\): give --data DIR"):
        train_recipe(recipe, tmp_path / "work")


def test_a_line_without_a_tab_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.en-de.tsv").write_text("one\teins\nno tab here\n", encoding="utf-8")
    with pytest.raises(DataMissing, match=r"Line 2 of bad\.en-de\.tsv has no tab"):
        read_pairs(tmp_path, ["en"], ["de"])


def test_a_folder_without_pairs_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="no sentence pairs for en to de"):
        read_pairs(tmp_path, ["en"], ["de"])
