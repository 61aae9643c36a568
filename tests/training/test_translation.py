"""The promises of the translation recipe: a run that was cut off goes on alike, and what it publishes translates."""

import json
import math
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from modalities.contract import Weights
from modalities.translation.checkpoint import read_vocabulary as operator_vocabulary
from training.pipeline import MODEL, DataMissing, no_progress, read_losses
from training.recipes import load_recipe
from training.run import train_recipe
from training.translation.augmentation import PLACEHOLDERS
from training.translation.batches import Batches, special_tokens
from training.translation.data import Pair, read_pairs
from training.translation.examples import Example, examples, pack_examples
from training.translation.loop import CHECKPOINT, averaged_weights
from training.translation.recipe import HELD_OUT, TranslationConfig, TranslationTraining
from training.translation.registers import is_clean, read_collections, read_registers, register_of
from training.translation.scores import Score, regressions
from training.translation.vocabulary import Encoder, extend_vocabulary, read_vocabulary, tokenizer_of, train_vocabulary

CONFIG = TranslationConfig(
    sources=("en",),
    targets=("de", "fr"),
    vocabulary=340,
    width=32,
    encoder_layers=1,
    decoder_layers=1,
    batch_tokens=100,
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


@pytest.fixture
def start(processes: ForkServerContext, data: Path) -> Callable[[Path], BaseProcess]:
    """Starts a training in a process of its own."""

    def start_training(work: Path) -> BaseProcess:
        process = processes.Process(target=train_on_one_thread, args=(work, data))
        process.start()
        return process

    return start_training


def train_on_one_thread(work: Path, data: Path) -> None:
    import torch

    torch.set_num_threads(1)
    recipe = TranslationTraining("tiny", CONFIG)
    work.mkdir(exist_ok=True)
    recipe.prepare(work, data)
    recipe.train(work, recipe.build(work), math.inf, no_progress)


def exit_code(process: BaseProcess) -> int | None:
    process.join(280)
    return process.exitcode


@pytest.mark.timeout(600)
def test_a_killed_training_goes_on_as_if_it_had_not_been(start: Callable[[Path], BaseProcess], tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert exit_code(start(whole)) == 0
    process = start(killed)
    while not (killed / CHECKPOINT).exists() and process.is_alive():
        time.sleep(0.005)  # in the middle of the only epoch
    assert process.is_alive(), "the run ended before it could be killed"
    process.kill()
    assert exit_code(process) == -signal.SIGKILL
    (killed / f"{CHECKPOINT}.unfinished").write_bytes(b"half")  # what lies there when a run is killed while it saves
    assert averaged_weights(killed)[0] in (30, 60)
    assert exit_code(start(killed)) == 0
    (steps, one), (again, other) = averaged_weights(whole), averaged_weights(killed)
    assert steps == again > 60
    for name, weights in one.items():
        assert weights.allclose(other[name], atol=1e-4), name
    curves = [read_losses(work / "losses.jsonl")["model"] for work in (whole, killed)]
    assert curves[0].keys() == curves[1].keys()
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)


def test_training_starts_from_published_weights_and_their_vocabulary(data: Path, tmp_path: Path) -> None:
    recipe = TranslationTraining("tiny", CONFIG.model_copy(update={"epochs": 0.2}))
    train_recipe(recipe, tmp_path / "first", data=data)
    published = tmp_path / "first" / MODEL
    more = CONFIG.model_copy(update={"epochs": 0.01, "learning_rate": 0.0, "initial": published})
    second = TranslationTraining("tiny", more)
    (tmp_path / "second").mkdir()
    second.prepare(tmp_path / "second", data)
    model = second.build(tmp_path / "second")
    before = type(model).from_pretrained(published).float()
    second.train(tmp_path / "second", model, math.inf, no_progress)
    for (name, weights), (_, others) in zip(model.named_parameters(), before.named_parameters(), strict=True):
        assert weights.allclose(others, atol=1e-3), name
    assert read_vocabulary(tmp_path / "second" / "vocabulary") == read_vocabulary(tmp_path / "first" / "vocabulary")


def test_a_recipe_trains_on_pairs_puts_some_aside_measures_and_writes_a_card(data: Path, tmp_path: Path) -> None:
    collections = read_collections(Path("configs/translation-sources.yaml"))
    recipe = TranslationTraining("tiny", CONFIG.model_copy(update={"epochs": 0.1}), collections=collections)
    told = list[int]()
    measured = train_recipe(
        recipe, tmp_path, data=data, resume=True, progress=lambda part, done, steps, loss: told.append(done)
    )
    assert told == list(range(1, len(told) + 1))
    assert {"BLEU en → de held-out", "chrF en → fr held-out", "run-ons"} <= measured.keys()
    aside = (tmp_path / HELD_OUT / "held-out.en-de.tsv").read_text(encoding="utf-8").splitlines()
    assert 0 < len(aside) <= 32
    card = (tmp_path / MODEL / "README.md").read_text(encoding="utf-8")
    assert "| en → de | held-out |" in card
    assert "manythings.org" in card  # the files are named after Tatoeba, whose attribution the recipe knows
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


@pytest.mark.parametrize("targets", [("de",), ("de", "fr")])
def test_a_model_is_trained_on_what_the_operator_asks_it(data: Path, tmp_path: Path, targets: tuple[str, ...]) -> None:
    recipe = TranslationTraining("tiny", CONFIG.model_copy(update={"targets": targets, "epochs": 0.01}))
    train_recipe(recipe, tmp_path, data=data)
    numbers, languages = read_vocabulary(tmp_path / "vocabulary"), ("en", *targets)
    example = Example(Pair("the red house", "le rouge logis", "en", targets[-1]), (1.0, 1.0))
    pairs = pack_examples([example], Encoder(tmp_path / "vocabulary"), languages, 50)
    batch = Batches(pairs, special_tokens(numbers, targets), "cpu")(np.array([0]))
    trained = [number for number in batch.input_ids[0].tolist() if number != numbers["<pad>"]]
    weights = Weights(folders=(tmp_path / MODEL,), digest="tiny", cache=tmp_path)
    operator = operator_vocabulary("tiny", weights, ("en",), targets, {})
    given = operator.model_input(operator.tokenize("the red house"), "en", targets[-1])
    assert [numbers[token] for token in given.tokens] == trained


def test_a_vocabulary_keeps_its_ids_when_it_gains_characters(tmp_path: Path) -> None:
    train_vocabulary(["the old house", "das alte Haus"], tmp_path, 300, ("de",))
    before = read_vocabulary(tmp_path)
    added = extend_vocabulary(tmp_path, ["{x} 价格，€"] * 3, 2, PLACEHOLDERS)
    assert {*PLACEHOLDERS, "{", "€", "价", "，"} <= set(added)
    after = read_vocabulary(tmp_path)
    assert all(after[token] == number for token, number in before.items() if token != "<pad>")
    assert after["<pad>"] == len(after) - 1 == len(before) + len(added) - 1
    text = f"the {PLACEHOLDERS[3]} house，{{x}}"
    assert tokenizer_of(tmp_path).tokenize(text)[-1] == "}"
    unknown = after["<unk>"]
    assert unknown not in Encoder(tmp_path)([text])[0]
    tokenizer = tokenizer_of(tmp_path)
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


@pytest.mark.parametrize(
    ("source", "target", "clean"),
    [
        ("The price is 1,234 euros.", "Der Preis beträgt 1.234 Euro.", True),
        ("The price is 1,234 euros.", "Der Preis beträgt 999 Euro.", False),
        ("<p>Some <b>bold</b> text</p>", "<p>Etwas <b>fetter</b> Text</p>", False),
        ("This was never translated at all", "This was never translated at all", False),
        ("OK", "OK", True),
        ("A short one.", "Ein kurzer Satz, dem sehr viel hinzugefügt wurde, was im Original gar nicht steht.", False),
        ("This sentence is not Chinese.", "这个句子完全不是德语。", False),
    ],
)
def test_pairs_that_do_not_agree_are_noise(source: str, target: str, clean: bool) -> None:
    assert is_clean(Pair(source, target, "en", "de")) == clean


def test_every_collection_weighs_what_its_register_says() -> None:
    registers = read_registers(Path("configs/translation-registers.yaml"))
    assert register_of(Pair("a", "b", "en", "de", "tatoeba"), registers) == ("everyday", pytest.approx(0.8))
    assert register_of(Pair("a", "b", "en", "zh", "tatoeba"), registers) == ("everyday", pytest.approx(2.0))
    assert register_of(Pair("a", "b", "en", "de", "somebody-else"), registers) == ("other", 1.0)
    named = [name for register in registers.values() for name in register.collections]
    assert len(named) == len(set(named))
    assert set(named) == read_collections(Path("configs/translation-sources.yaml")).keys()


def test_examples_copy_spans_keep_numbers_and_read_both_chinese_scripts() -> None:
    pairs = [Pair(f"Call {n} for Tom at home.", f"Rufe {n} für Tom zu Hause an.", "en", "de") for n in range(100, 900)]
    pairs += [Pair("The cat is at home.", "貓在家裡。", "en", "zh"), Pair("Hello", "Hallo", "en", "de")]
    rows = list(examples(pairs, {}))
    assert {row.pair.source for row in rows} == {row.pair.source for row in examples(pairs, {})}
    for placeholder in PLACEHOLDERS:
        assert any(placeholder in row.pair.source for row in rows)
        assert all(row.pair.source.count(placeholder) == row.pair.target.count(placeholder) for row in rows)
    assert any(row.pair.source.isupper() and row.pair.target.isupper() for row in rows)
    assert any(row.pair.collection == "copies" and row.pair.source == row.pair.target for row in rows)
    chinese = {row.pair.target: row.weights for row in rows if row.pair.source == "The cat is at home."}
    assert chinese["猫在家里。"] == (1.0, 0.5)  # the target of a training
    assert chinese["貓在家裡。"] == (0.0, 0.5)  # a source as well
    assert next(row.weights for row in rows if row.pair.source == "Hello") == (3.0, 3.0)


def test_weights_are_published_only_if_nothing_fell() -> None:
    def scores(tatoeba: float, news: float) -> list[Score]:
        return [
            Score("en → de", "tatoeba", 250, tatoeba, 57.0, "", 0, ()),
            Score("en → de", "ntrex", 250, 2.0, news, "", 0, ()),
        ]

    before = scores(35.9, 18.8)
    assert regressions(before, scores(34.9, 30.0)) == []
    assert regressions(before, scores(34.8, 30.0)) == ["en → de on tatoeba: BLEU fell from 35.9 to 34.8"]
    assert regressions(before, scores(40.0, 18.8)) == ["en → de on ntrex: chrF went from 18.8 to 18.8"]
