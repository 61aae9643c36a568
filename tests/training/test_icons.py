"""The training recipe of the icon model, with a tiny config and drawn pictures."""

import io
import json
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from training.icons.data import pixels, read_icons
from training.icons.evaluate import draw, load_pipeline
from training.icons.model import IconConfig, build_parts, load, standardise, train_tokenizer, warm_start
from training.icons.recipe import (
    IconRecipe,
    IconTraining,
    copy_initial_weights,
    from_checkpoints,
    prepare,
    publish,
    read_recipe,
    train,
)
from training.icons.train import prompts_of, standardised_latents
from training.pipeline import MODEL, DataMissing, TrainingError, read_losses
from training.run import train_recipe

TINY = IconConfig(
    size=32,
    autoencoder_channels=(8, 8, 16),
    unet_channels=(16, 32),
    text_width=32,
    text_layers=1,
    vocabulary=600,
    autoencoder_batch=4,
    autoencoder_steps=12,
    decoder_steps=8,
    batch=4,
    steps=40,
    checkpoint_every=5,
)


def recipe_of(model: IconConfig, **concepts: str) -> IconRecipe:
    packages = {
        "emoji-datasource-google@1.0.0": "Apache-2.0",
        "@lobehub/fluent-emoji-3d@1.0.0": "MIT",
        "@iconify-json/fluent-emoji-flat@1.0.0": "MIT",
        "emojibase-data@1.0.0": "MIT",
    }
    styles = {"soft": "google", "3d": "fluent-3d", "flat": "fluent-flat"}
    return IconRecipe(packages=packages, styles=styles, concepts=concepts, model=model)


def draw_icons(work: Path, tags: str = "") -> Path:
    (work / "icons").mkdir(parents=True)
    for colour in ("red", "green", "blue"):
        for shape in ("ellipse", "rectangle"):
            (work / "icons" / f"{colour}-{shape}.png").write_bytes(drawn(shape, colour, "PNG"))
            (work / "icons" / f"{colour}-{shape}.txt").write_text(f"{colour} {shape}{tags}")
    return work


def drawn(shape: str, colour: str, form: str) -> bytes:
    picture, file = Image.new("RGBA", (32, 32)), io.BytesIO()
    getattr(ImageDraw.Draw(picture), shape)((6, 10, 26, 22), fill=colour)
    picture.save(file, form)
    return file.getvalue()


def pack(archive: Path, members: dict[str, bytes]) -> None:
    """An archive as `npm pack` writes it."""
    with tarfile.open(archive, "w:gz") as packed:
        for name, data in members.items():
            entry = tarfile.TarInfo("package/" + name)
            entry.size = len(data)
            packed.addfile(entry, io.BytesIO(data))


def pack_emoji(downloads: Path) -> None:
    """Small packages in the form of the real ones: a car and a sun; the flat set draws no sun."""
    downloads.mkdir(parents=True)
    rows = [
        {"short_name": "car", "image": "1f697.png", "unified": "1F697"},
        {"short_name": "sunny", "image": "2600-fe0f.png", "unified": "2600-FE0F"},
    ]
    google = {f"img/google/64/{row['image']}": drawn("ellipse", "red", "PNG") for row in rows}
    pack(downloads / "emoji-datasource-google-1.0.0.tgz", {"emoji.json": json.dumps(rows).encode(), **google})
    three = {f"assets/{row['image'][:-4]}.webp": drawn("ellipse", "blue", "WEBP") for row in rows}
    pack(downloads / "lobehub-fluent-emoji-3d-1.0.0.tgz", three)
    car = {"icons": {"automobile": {"body": '<rect x="4" y="8" width="24" height="8" fill="#0f0"/>'}}, "width": 32}
    flat = {"icons.json": json.dumps(car).encode(), "chars.json": json.dumps({"1f697": "automobile"}).encode()}
    pack(downloads / "iconify-json-fluent-emoji-flat-1.0.0.tgz", flat)
    words = [{"hexcode": "1F697", "tags": ["automobile", "car"]}, {"hexcode": "2600", "tags": ["sun", "weather"]}]
    pack(downloads / "emojibase-data-1.0.0.tgz", {"en/data.json": json.dumps(words).encode()})


@pytest.fixture
def start(processes: ForkServerContext) -> Callable[[Path], BaseProcess]:
    """Starts a training in a process of its own."""

    def start_training(work: Path) -> BaseProcess:
        process = processes.Process(target=train_on_one_thread, args=(work,))
        process.start()
        return process

    return start_training


def train_on_one_thread(work: Path) -> None:
    import torch

    torch.set_num_threads(1)
    train(work, TINY)


def exit_code(process: BaseProcess) -> int | None:
    process.join(200)
    return process.exitcode


def losses(work: Path) -> dict[tuple[str, int], float]:
    """The last loss written for each step."""
    read = read_losses(work / "losses.jsonl")
    return {(part, step): loss for part, steps in read.items() for step, loss in steps.items()}


def test_a_killed_training_resumes_with_the_same_losses(tmp_path: Path, start: Callable[[Path], BaseProcess]) -> None:
    whole, killed = draw_icons(tmp_path / "whole"), draw_icons(tmp_path / "killed")
    assert exit_code(start(whole)) == 0
    process = start(killed)
    while not (killed / "unet.pt").exists() and process.is_alive():
        time.sleep(0.005)
    assert process.is_alive(), "the run ended before it could be killed"
    process.kill()
    assert exit_code(process) == -signal.SIGKILL
    with (killed / "losses.jsonl").open("a") as log:
        log.write('{"part": "unet", "st')  # it may be killed while it writes
    assert exit_code(start(killed)) == 0
    assert losses(killed) == losses(whole)
    assert len(losses(whole)) == TINY.autoencoder_steps + TINY.decoder_steps + TINY.steps


def test_a_published_folder_loads_in_diffusers_and_can_be_trained_further(tmp_path: Path) -> None:
    import torch

    work = draw_icons(tmp_path / "work")
    train(work, TINY)
    found = publish(work, recipe_of(TINY), tmp_path / "model", prompts=3)
    assert found.prompts == 3
    pipeline = load_pipeline(tmp_path / "model")
    first, again = (draw(pipeline, ["red ellipse"], seed=1) for _ in range(2))
    assert first.shape == (1, 3, 32, 32)
    assert torch.equal(first, again)
    on = draw_icons(tmp_path / "on")
    copy_initial_weights(tmp_path / "model", on)
    train(on, TINY.model_copy(update={"autoencoder_steps": 1, "decoder_steps": 1, "steps": 1}))
    # Trained on from the published weights, the first loss is lower than that of a fresh autoencoder.
    assert losses(on)["autoencoder", 0] < losses(work)["autoencoder", 0]
    assert load(tmp_path / "model").scheduler.config["prediction_type"] == "v_prediction"


def test_a_warm_start_with_new_captions_keeps_what_the_model_draws(tmp_path: Path) -> None:
    import torch

    work = draw_icons(tmp_path / "work")
    plain = TINY.model_copy(update={"pooled_text": False, "autoencoder_steps": 1, "decoder_steps": 1, "steps": 3})
    train(work, plain)
    publish(work, recipe_of(plain), tmp_path / "model", prompts=1)
    captions = ["red ellipse", "green ellipse", "blue rectangle", "red wombat", "violet ellipse"]
    old, new = load(tmp_path / "model"), warm_start(tmp_path / "model", TINY, captions)
    noise, drawn = torch.randn(1, 16, 8, 8), []
    for parts in (old, new):
        ids = parts.tokenizer("red ellipse", padding="max_length", max_length=32, return_tensors="pt").input_ids
        with torch.no_grad():
            drawn.append(parts.unet(noise, 500, parts.text(ids).last_hidden_state).sample)
    assert torch.allclose(drawn[0], drawn[1], atol=1e-5)
    assert len(new.tokenizer.tokenize("violet wombat")) == 2


def test_own_pictures_can_be_trained_on_and_a_started_training_is_not_overwritten(tmp_path: Path) -> None:
    pictures = draw_icons(tmp_path / "mine") / "icons"
    recipe = IconTraining(recipe_of(TINY.model_copy(update={"steps": 4, "decoder_steps": 2})), prompts=2)
    measured = train_recipe(recipe, tmp_path / "work", data=pictures)
    assert measured["prompts"] == 2
    card = (tmp_path / "work" / MODEL / "README.md").read_text()
    assert "6 pictures of the folder that was given" in card
    assert "npm" not in card
    assert "TAG" not in card
    with pytest.raises(TrainingError, match="--resume"):
        train_recipe(recipe, tmp_path / "work", data=pictures)
    assert train_recipe(recipe, tmp_path / "work", resume=True) == measured
    others = draw_icons(tmp_path / "others") / "icons"
    with pytest.raises(TrainingError, match="begun with other pictures"):
        train_recipe(recipe, tmp_path / "work", data=others, resume=True)
    with Image.open(tmp_path / "work" / MODEL / "losses.png") as plot:
        assert plot.width > 100


def test_a_second_training_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    pictures, refusals = draw_icons(tmp_path / "mine") / "icons", list[str]()
    steps = {"autoencoder_steps": 1, "steps": 1, "decoder_steps": 1}
    recipe = IconTraining(recipe_of(TINY.model_copy(update=steps)), prompts=2)

    def meanwhile(*_: object) -> None:
        with pytest.raises(TrainingError) as refused:
            train_recipe(recipe, tmp_path / "work", resume=True)
        refusals.append(str(refused.value))

    train_recipe(recipe, tmp_path / "work", data=pictures, progress=meanwhile)
    assert refusals == [f"A training goes on in {tmp_path / 'work'}: let it end, or stop it first."] * 3


def test_tags_are_trained_as_prompts_and_evaluated(tmp_path: Path) -> None:
    work = draw_icons(tmp_path / "work", tags=", figure, shape")
    icons = read_icons(work / "icons")
    assert {"blue figure", "blue shape", "blue ellipse, figure, shape", "ellipse, blue"} <= set(prompts_of(icons))
    train(work, TINY.model_copy(update={"autoencoder_steps": 1, "decoder_steps": 1, "steps": 1}))
    found = publish(work, recipe_of(TINY), tmp_path / "model", prompts=4)
    assert (found.tag_prompts, found.tag_first) == (4, 1.0)  # whatever it draws, every icon here has both
    assert "- Tags, the most frequent of them: figure, shape." in (tmp_path / "model" / "README.md").read_text()


def test_the_card_names_data_licences_and_prompts(tmp_path: Path) -> None:
    work = draw_icons(tmp_path / "work")
    train(work, TINY.model_copy(update={"autoencoder_steps": 1, "decoder_steps": 1, "steps": 1}))
    publish(work, recipe_of(TINY), tmp_path / "model", prompts=2, notes="Made in two sittings.")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| emoji-datasource-google@1.0.0 | Apache-2.0 |" in card
    assert "Styles: blue, green, red." in card
    assert "Names: ellipse, rectangle." in card
    assert "UNet and text encoder: 1 steps of" in card
    assert "Made in two sittings." in card
    with Image.open(tmp_path / "model" / "samples.png") as samples:
        assert samples.size == (6 * 32, 32)  # two names in three styles


def test_a_stopped_training_can_be_published_and_resumed(tmp_path: Path) -> None:
    work, told = draw_icons(tmp_path), list[tuple[str, int, int, float]]()
    train(work, TINY, minutes=0, progress=lambda *step: told.append(step))
    assert losses(work) == {("autoencoder", 0): told[0][3]}
    assert told[0][:3] == ("autoencoder", 1, TINY.autoencoder_steps)
    parts, steps = from_checkpoints(work, TINY)
    assert steps == {"autoencoder": 1, "unet": 0, "decoder": 0}
    assert parts.vae.config["scaling_factor"] == 1
    train(work, TINY)
    every = {"autoencoder": TINY.autoencoder_steps, "unet": TINY.steps, "decoder": TINY.decoder_steps}
    assert from_checkpoints(work, TINY)[1] == every


def test_standardised_latents_have_mean_0_and_deviation_1_and_decode_to_the_same_picture(tmp_path: Path) -> None:
    import torch

    icons = read_icons(draw_icons(tmp_path) / "icons")
    parts, pictures = build_parts(TINY, ["red ellipse"]), pixels(icons, TINY.size)
    with torch.no_grad():
        before = parts.vae.decode(parts.vae.encode(pictures).latent_dist.mean).sample
        spread = parts.vae.encode(pictures).latent_dist.std
        standardise(parts.vae, torch.full((16,), 0.3), torch.full((16,), 0.5))
        after = parts.vae.decode(parts.vae.encode(pictures).latent_dist.mean).sample
        assert torch.allclose(before, after, atol=1e-4)
        assert torch.allclose(parts.vae.encode(pictures).latent_dist.std, spread / 0.5, rtol=1e-3)
    latents = standardised_latents(parts, pictures)
    assert latents.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    assert (latents.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-3


def test_npm_packages_become_captioned_pictures_of_one_size(tmp_path: Path) -> None:
    pack_emoji(tmp_path / "downloads")
    assert prepare(tmp_path, recipe_of(TINY, car="car", **{"bright sun": "sunny"})) == 5
    icons = {icon.caption: icon for icon in read_icons(tmp_path / "icons")}
    assert set(icons) == {"soft car", "3d car", "flat car", "soft bright sun", "3d bright sun"}
    assert icons["flat car"].tags == ("automobile",)  # what else it may be called
    assert icons["3d bright sun"].tags == ("weather",)
    with Image.open(icons["flat car"].path) as picture:
        assert picture.size == (72, 72)
        assert picture.getpixel((36, 36)) == (0, 255, 0, 255)
        assert picture.getbbox() == (3, 25, 69, 47)  # cut to what is drawn, three times as wide as high
    assert pixels(read_icons(tmp_path / "icons"), 32)[:, :, 0, 0].min() == 1  # around it, white


def test_the_recipe_file_names_known_icon_sets_and_enough_concepts() -> None:
    recipe = read_recipe(Path("configs/icons.yaml"))
    assert set(recipe.styles.values()) == {"google", "twitter", "fluent-3d", "fluent-flat"}
    assert len(recipe.concepts) >= 300
    assert all("@" in package[1:] for package in recipe.packages), "every package has its version"


def test_the_tokenizer_is_deterministic_across_processes(tmp_path: Path) -> None:
    captions = [icon.caption for icon in read_icons(draw_icons(tmp_path) / "icons")] + ["3d t-shirt", "3d Grüße"]
    code = "import sys, json; from training.icons.model import *; "
    code += "print(sorted(train_tokenizer(IconConfig(), json.loads(sys.argv[1])).get_vocab().items()))"
    said = [subprocess.check_output([sys.executable, "-c", code, json.dumps(captions)], text=True) for _ in range(2)]
    assert said[0] == said[1]
    tokenizer = train_tokenizer(IconConfig(), captions)
    assert tokenizer.tokenize("3d red t-shirt") == ["3</w>", "d</w>", "red</w>", "t</w>", "-</w>", "shirt</w>"]
    assert "<|endoftext|>" not in tokenizer.tokenize("what was never seen: 7 zebras, ñandú!")


def test_a_folder_without_captions_raises_data_missing(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"NAME\.txt"):
        read_icons(tmp_path)


def test_pictures_that_were_moved_away_are_named_and_can_be_given_again(tmp_path: Path) -> None:
    work, first, second = tmp_path / "work", draw_icons(tmp_path / "first"), draw_icons(tmp_path / "second")
    work.mkdir()
    assert prepare(work, recipe_of(TINY), first / "icons") == 6
    (first / "icons").rename(tmp_path / "moved")
    with pytest.raises(DataMissing, match=r"first/icons, which is gone: name their folder with --data"):
        prepare(work, recipe_of(TINY))
    assert prepare(work, recipe_of(TINY), second / "icons") == 6
