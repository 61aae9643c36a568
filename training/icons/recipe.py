"""The icon recipe: prepare the pictures, build a small Stable Diffusion, train, evaluate and publish it.

`configs/icons.yaml` says what it learns from and how large it is. Any folder of captioned pictures works as well: put
it at WORK/icons, or name it with --data.
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
from training.icons.train import autoencoder_stage, decoder_stage, latents_of, prompts_of, unet_stage, use_averages
from training.pipeline import LOSSES, Progress, no_progress, plot_losses

_INITIAL = "initial"


class IconRecipe(BaseModel):
    """configs/icons.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    packages: dict[str, str]
    styles: dict[str, str]
    concepts: dict[str, str]
    model: IconConfig


def read_recipe(path: Path) -> IconRecipe:
    """The recipe in a YAML file. Raises pydantic's ValidationError, which names the field."""
    return IconRecipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def prepare(work: Path, recipe: IconRecipe, data: Path | None = None) -> int:
    """Fill `work/icons` with captioned pictures, once: from `data`, or from the packages; gives their number."""
    folder = work / "icons"
    if data is not None and not folder.exists():
        read_icons(data)
        folder.symlink_to(data.absolute(), target_is_directory=True)
    elif not folder.exists():
        with atomic_write(folder) as unfinished:
            prepare_emoji(unfinished, work / "downloads", list(recipe.packages), recipe.styles, recipe.concepts)
    return len(read_icons(folder))


def build(work: Path, config: IconConfig) -> Parts:
    """The modules where training in `work` starts: with the weights that were taken there, or new."""
    prompts = prompts_of(read_icons(work / "icons"))
    if (work / _INITIAL).exists():
        return warm_start(work / _INITIAL, config, prompts)
    return build_parts(config, prompts)


def copy_initial_weights(published: Path, work: Path) -> None:
    """Let training in `work` start from a published folder."""
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
    """Train on the icons in `work/icons`; resumes from `work/*.pt`.

    Stops early after `minutes` (its checkpoint stays). Losses go to `work/losses.jsonl`. Returns the averaged weights.
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
    """The averaged weights of the checkpoints in `work`, whose training may go on, and the steps of each stage."""
    parts = build(work, config)
    return parts, use_averages(work, config, parts, pixels(read_icons(work / "icons"), config.size))


def evaluate(folder: Path, work: Path, *, prompts: int = 200) -> Evaluation:
    """How often a published model draws what it is asked for, for prompts and seeds that are always the same."""
    return evaluate_folder(folder, read_icons(work / "icons"), prompts)


def publish(work: Path, recipe: IconRecipe, folder: Path, *, prompts: int = 200, notes: str = "") -> Evaluation:
    """Write the averaged weights as a StableDiffusionPipeline folder, with samples, a loss plot and a model card.

    `notes` are what the card should tell of a training that was not one run of the recipe.
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
    """The icon recipe as every recipe is asked."""

    recipe: IconRecipe
    prompts: int = 200

    def prepare(self, work: Path, data: Path | None) -> str:
        """Take the captioned pictures in `data`, or fetch the packages."""
        return f"{prepare(work, self.recipe, data)} pictures"

    def build(self, work: Path) -> Parts:
        """New modules, or those that were taken into `work`."""
        return build(work, self.recipe.model)

    def train(self, work: Path, model: Any, minutes: float, progress: Progress) -> None:
        """Autoencoder, UNet with text encoder, decoder."""
        train(work, self.recipe.model, parts=model, minutes=minutes, progress=progress)

    def evaluate(self, folder: Path, work: Path, data: Path | None) -> Mapping[str, float]:
        """How often it draws the thing and the style that it is asked for."""
        self.prepare(work, None)
        return asdict(evaluate_folder(folder, read_icons(data or work / "icons"), self.prompts))

    def publish(self, work: Path, folder: Path) -> Mapping[str, float]:
        """The averaged weights so far, with card and samples."""
        return asdict(publish(work, self.recipe, folder, prompts=self.prompts))
