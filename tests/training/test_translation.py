"""The promises of the translation recipe: a run that was cut off goes on alike, and what it publishes translates."""

import random
from pathlib import Path

import pytest

from training.translation import TranslationConfig, build, from_checkpoint, last_checkpoint, publish, train
from training.translation_card import card, evaluate
from training.translation_data import read_pairs

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
    epochs=2,
    checkpoint_steps=60,
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


@pytest.mark.timeout(300)
def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(whole, data, CONFIG)
    train(cut, data, CONFIG.model_copy(update={"epochs": 1}))
    assert last_checkpoint(cut).name == "checkpoint-120"
    train(cut, data, CONFIG)
    assert last_checkpoint(cut).name == last_checkpoint(whole).name == "checkpoint-240"
    one, other = from_checkpoint(last_checkpoint(whole)), from_checkpoint(last_checkpoint(cut))
    for (name, weights), (_, others) in zip(one.named_parameters(), other.named_parameters(), strict=True):
        assert weights.allclose(others, atol=1e-4), name

    folder = tmp_path / "published"
    publish(one, build(whole, CONFIG)[1], folder, "")
    scores = evaluate(folder, CONFIG.sources, CONFIG.targets, data)
    assert {score.pair for score in scores} == {"en → de", "en → fr"}
    assert "| en → de |" in card("tiny", scores, {"Size": "tiny"})
    assert str(tmp_path).encode() not in (folder / "source.spm").read_bytes()


def test_a_line_without_a_tab_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.en-de.tsv").write_text("one\teins\nno tab here\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"Line 2 of bad\.en-de\.tsv has no tab"):
        read_pairs(tmp_path, ["en"], ["de"])


def test_a_folder_without_pairs_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no sentence pairs for en to de"):
        read_pairs(tmp_path, ["en"], ["de"])
