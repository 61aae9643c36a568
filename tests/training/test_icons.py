"""The icon recipe on a tiny config and drawn pictures."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from training.icons import publish, train
from training.icons_data import NoIcons, read_icons
from training.icons_model import IconConfig, load

TINY = IconConfig(
    size=32,
    autoencoder_channels=(8, 8, 16),
    unet_channels=(16, 32),
    text_width=32,
    text_layers=1,
    vocabulary=600,
    batch=4,
    autoencoder_steps=12,
    unet_steps=40,
    checkpoint_every=5,
)
RUN = """
import sys; from pathlib import Path; import torch; torch.set_num_threads(1)
from training.icons import train; from training.icons_model import IconConfig
train(Path(sys.argv[1]), IconConfig.model_validate_json(sys.argv[2]))
"""


def draw_icons(work: Path) -> Path:
    (work / "icons").mkdir(parents=True)
    for colour in ("red", "green", "blue"):
        for shape in ("ellipse", "rectangle"):
            picture = Image.new("RGBA", (32, 32))
            getattr(ImageDraw.Draw(picture), shape)((6, 6, 26, 26), fill=colour)
            picture.save(work / "icons" / f"{colour}-{shape}.png")
            (work / "icons" / f"{colour}-{shape}.txt").write_text(f"{colour} {shape}")
    return work


def start(work: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", RUN, str(work), TINY.model_dump_json()], cwd=Path.cwd())


def losses(work: Path) -> dict[tuple[str, int], float]:
    """The last loss written for each step; a killed run may leave half a line."""
    found: dict[tuple[str, int], float] = {}
    for line in (work / "losses.jsonl").read_text().splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[row["part"], row["step"]] = row["loss"]
    return found


def test_a_killed_training_goes_on_with_the_same_losses(tmp_path: Path) -> None:
    whole, killed = draw_icons(tmp_path / "whole"), draw_icons(tmp_path / "killed")
    assert start(whole).wait(120) == 0
    process = start(killed)
    while not (killed / "unet.pt").exists() and process.poll() is None:
        time.sleep(0.005)
    assert process.poll() is None, "the run ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert start(killed).wait(120) == 0
    assert losses(killed) == losses(whole)
    assert len(losses(whole)) == TINY.autoencoder_steps + TINY.unet_steps


def test_a_published_folder_draws_through_diffusers_auto_pipelines_and_trains_on(tmp_path: Path) -> None:
    import torch
    from diffusers import AutoPipelineForImage2Image, AutoPipelineForText2Image

    work = draw_icons(tmp_path / "work")
    publish(train(work, TINY), tmp_path / "model", "# Icons\n")
    pipe = AutoPipelineForText2Image.from_pretrained(tmp_path / "model", torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    first, again = (
        pipe("red ellipse", num_inference_steps=3, generator=torch.Generator().manual_seed(1)).images[0]
        for _ in range(2)
    )
    assert first.size == (32, 32)
    assert first.tobytes() == again.tobytes()
    changed = AutoPipelineForImage2Image.from_pipe(pipe)("blue ellipse", image=first, num_inference_steps=4).images[0]
    assert changed.size == (32, 32)
    on = draw_icons(tmp_path / "on")
    train(on, TINY.model_copy(update={"autoencoder_steps": 1, "unet_steps": 1}), initial=tmp_path / "model")
    # Trained on from the published weights, the first loss is lower than that of a fresh autoencoder.
    assert losses(on)["autoencoder", 0] < losses(work)["autoencoder", 0]
    assert load(tmp_path / "model").scheduler.config["prediction_type"] == "v_prediction"


def test_a_folder_without_captions_says_what_to_put_there(tmp_path: Path) -> None:
    with pytest.raises(NoIcons, match=r"NAME\.txt"):
        read_icons(tmp_path)
