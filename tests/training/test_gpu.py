"""The dry run of the GPU training on the CPU: prepare, train, and collect, with a tiny model."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.gpu.collect import collect, model_card, publish
from training.gpu.plan import HELD_OUT, TESTS, Direction, Training, TrainingPlan
from training.gpu.prepare import GpuConfig, prepare, read_config
from training.gpu.shards import read_shards, write_shards
from training.gpu.train import train_all
from training.pipeline import TrainingError
from training.translation.augmentation import PLACEHOLDERS
from training.translation.card import evaluate
from training.translation.pack import PackedPairs
from training.translation.registers import read_registers
from training.translation.vocabulary import Encoder, tokenizer_of
from training.translation.weights import WEIGHTS, Shape

CONFIGS = Path("configs")
CONFIG = GpuConfig(
    languages=("en", "de", "zh"),
    directions={
        "tiny-en-x": Direction(("en",), ("de", "zh")),
        "tiny-x-en": Direction(("de", "zh"), ("en",)),
    },
    vocabulary=400,
    shape=Shape(width=32, encoder_layers=1, decoder_layers=1, dropout=0.1),
    passes=5,
    held_out=8,
    training=Training(
        batch_tokens=512,
        longest=60,
        learning_rate=5e-3,
        warmup_steps=5,
        checkpoint_steps=10,
        average_decay=0.9,
        label_smoothing=0.1,
        seed=1,
    ),
)
PAIRS = {"tiny-en-x": {"en → de", "en → zh"}, "tiny-x-en": {"de → en", "zh → en"}}
WORDS = {
    "de": {"the": "das", "red": "rote", "old": "alte", "house": "Haus", "car": "Auto", "is": "ist", "big": "groß"},
    "zh": {"the": "這", "red": "紅", "old": "舊", "house": "屋", "car": "車", "is": "是", "big": "大"},
}


RUN = """
import sys
sys.modules.update(dict.fromkeys(["pydantic", "opencc", "ctranslate2", "modalities"]))
from training.gpu.train import main
main()
"""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of sentences that are translated word by word."""
    folder = tmp_path_factory.mktemp("gpu")
    draw = random.Random(1)
    for kind, count in (("data", 300), ("tests", 10)):
        (folder / kind).mkdir()
        for language, words in WORDS.items():
            texts = [" ".join(draw.choices(list(words), k=draw.randint(3, 7))) for _ in range(count)]
            rows = [f"{text}\t{' '.join(words[word] for word in text.split())}" for text in texts]
            (folder / kind / f"tatoeba.en-{language}.tsv").write_text("\n".join(rows), encoding="utf-8")
    registers = read_registers(CONFIGS / "translation-registers.yaml")
    assert prepare(folder / "data", folder / "tests", folder / "bundle", CONFIG, registers) > 500
    return folder / "bundle"


@pytest.fixture(scope="module")
def shards(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the training command, in a process without the packages that the GPU machine lacks."""
    out = tmp_path_factory.mktemp("out")
    given = ["--bundle", str(bundle), "--out", str(out), "--steps", "20", "--minutes", "20"]
    done = subprocess.run([sys.executable, "-c", RUN, *given], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert "tiny-x-en: evaluated in" in done.stdout
    return out


def test_the_bundle_trains_on_no_test_sentence(bundle: Path) -> None:
    pairs = PackedPairs.read(bundle / "pairs.npz.xz")
    assert pairs.languages == ("en", "de", "zh")
    assert TrainingPlan.read(bundle) == TrainingPlan(CONFIG.directions, CONFIG.shape, CONFIG.training)
    encode = Encoder(bundle / "vocabulary")
    starts = pairs.lengths[:, 0].astype(int).cumsum() - pairs.lengths[:, 0]
    trained = {
        tuple(pairs.sources[start : start + length]) for start, length in zip(starts, pairs.lengths[:, 0], strict=True)
    }
    files = [path for kind in (TESTS, HELD_OUT) for path in (bundle / kind).glob("*.tsv")]
    tests = [row.split("\t")[0] for path in files for row in path.read_text(encoding="utf-8").splitlines()]
    assert len(tests) > 20
    assert not trained & {tuple(row) for row in encode(tests)}


def test_both_models_translate_after_collection(bundle: Path, shards: Path, tmp_path: Path) -> None:
    for name, direction in CONFIG.directions.items():
        plan = collect(name, shards, bundle, tmp_path / name)
        scores = evaluate(tmp_path / name, direction.sources, direction.targets, [bundle / TESTS])
        assert {score.pair for score in scores if score.tests == "tatoeba"} == PAIRS[name]
        card = model_card(name, tmp_path / name, shards, "Word by word.", scores, plan)
        assert "20 steps of up to 512 tokens on cpu" in card
        report = json.loads((shards / f"{name}.json").read_text(encoding="utf-8"))
        assert {score["pair"] for score in report["scores"]} == {score.pair for score in scores}
        publish(name, tmp_path / name, tmp_path / "models")
        assert not (tmp_path / "models" / name / WEIGHTS).exists()
        again = evaluate(tmp_path / "models" / name, direction.sources, direction.targets, [bundle / TESTS])
        assert again == scores


def test_shards_of_different_checkpoints_are_refused(tmp_path: Path) -> None:
    import torch

    write_shards("m", {"weight": torch.ones(3)}, {"steps": 1}, tmp_path)
    assert read_shards("m", tmp_path)[0]["weight"].tolist() == [1, 1, 1]
    (tmp_path / "m.0").write_bytes(b"other")
    with pytest.raises(TrainingError, match="not of one checkpoint"):
        read_shards("m", tmp_path)
    (tmp_path / "m.0").unlink()
    with pytest.raises(TrainingError, match=r"lacks .*m\.0"):
        read_shards("m", tmp_path)


def test_training_ends_when_its_time_is_over(bundle: Path, tmp_path: Path) -> None:
    train_all(bundle, tmp_path, time.time() - 1, steps=10**9, compiled=False)
    assert [read_shards(name, tmp_path)[1]["steps"] for name in CONFIG.directions] == [0, 0]


def test_placeholders_are_one_piece_and_digits_stand_alone(bundle: Path) -> None:
    pieces = tokenizer_of(bundle / "vocabulary").tokenize(f"the {PLACEHOLDERS[3]} house 2024")
    assert PLACEHOLDERS[3] in pieces
    assert all(digit in pieces for digit in "024")


def test_the_plan_of_the_repository_fits_what_may_travel_back() -> None:
    config = read_config(CONFIGS)
    layer = 12 * config.shape.width**2
    size = config.vocabulary * config.shape.width + layer * config.shape.encoder_layers
    size += round(layer * 4 / 3) * config.shape.decoder_layers
    assert 15e6 < size < 25e6  # bytes in int8; twice that in fp16
    assert 2 * (-(-2 * size // (15 * 2**20)) + 1) <= 8  # files
    assert config.vocabulary < 2**16
