"""The icon recipe: prepare the pictures, build a small Stable Diffusion, train, evaluate and publish it.

`configs/icons.yaml` says what it learns from and how large it is. Any folder of captioned pictures works as well: put
it at WORK/icons. From a command line: `python -m training.icons train --work WORK`, again to go on; then `publish`.
"""

import argparse
import logging
import math
import time
from pathlib import Path

import torch
import yaml
from pydantic import BaseModel, ConfigDict

from training.icons_card import model_card, plot_losses
from training.icons_data import pixels, prepare_emoji, read_icons
from training.icons_evaluate import Evaluation, contact_sheet, evaluate_folder
from training.icons_model import IconConfig, Parts, build, load, save
from training.icons_stage import Progress, no_progress, run
from training.icons_train import autoencoder_stage, decoder_stage, latents_of, prompts_of, unet_stage, use_averages

_LOG = logging.getLogger(__name__)


class IconRecipe(BaseModel):
    """configs/icons.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    packages: dict[str, str]
    styles: dict[str, str]
    concepts: dict[str, str]
    model: IconConfig
    notes: str = ""  # what the model card should say about how the published weights were trained


def read_recipe(path: Path) -> IconRecipe:
    """The recipe in a YAML file. Raises pydantic's ValidationError, which names the field."""
    return IconRecipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def prepare(work: Path, recipe: IconRecipe) -> int:
    """Fetch the packages and fill `work/icons` with captioned pictures, once; gives their number."""
    if not (work / "icons").exists():
        prepare_emoji(work / "icons", work / "downloads", list(recipe.packages), recipe.styles, recipe.concepts)
    return len(read_icons(work / "icons"))


def train(
    work: Path,
    config: IconConfig,
    *,
    initial: Path | None = None,
    minutes: float = math.inf,
    progress: Progress = no_progress,
) -> Parts:
    """Train on the icons in `work/icons`; resumes from `work/*.pt`, or starts from the published folder `initial`.

    Stops early after `minutes` (its checkpoint stays). Losses go to `work/losses.jsonl`. Returns the averaged weights.
    """
    icons = read_icons(work / "icons")
    parts = load(initial) if initial else build(config, prompts_of(icons))
    parts.to("cuda" if torch.cuda.is_available() else "cpu")
    pictures = pixels(icons, config.size)
    deadline = time.monotonic() + minutes * 60
    if run(work, autoencoder_stage(config, parts, pictures), deadline, progress):
        latents = latents_of(parts, pictures)
        if run(work, decoder_stage(config, parts, pictures, latents), deadline, progress):
            run(work, unet_stage(config, parts, latents, icons), deadline, progress)
    return parts


def from_checkpoints(work: Path, config: IconConfig) -> tuple[Parts, int]:
    """The averaged weights of the checkpoints in `work`, whose training may still be going on, and the UNet's steps."""
    icons = read_icons(work / "icons")
    parts = build(config, prompts_of(icons))
    return parts, use_averages(work, parts, pixels(icons, config.size))


def evaluate(folder: Path, work: Path, *, prompts: int = 200) -> Evaluation:
    """How often a published model draws what it is asked for, for prompts and seeds that are always the same."""
    return evaluate_folder(folder, read_icons(work / "icons"), prompts)


def publish(work: Path, recipe: IconRecipe, folder: Path, *, prompts: int = 200) -> Evaluation:
    """Write the averaged weights as a StableDiffusionPipeline folder, with samples, a loss plot and a model card."""
    parts, steps = from_checkpoints(work, recipe.model)
    save(parts, folder)
    icons = read_icons(work / "icons")
    found = evaluate(folder, work, prompts=prompts)
    contact_sheet(folder, icons).save(folder / "samples.png", optimize=True)
    plot_losses(work / "losses.jsonl", folder / "losses.png")
    card = model_card(
        recipe.packages, [icon.caption for icon in icons], recipe.model, folder, found, steps, recipe.notes
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    return found


def main() -> None:
    """Read the command line and do the step."""
    root = Path(__file__).parents[1]
    parser = argparse.ArgumentParser(prog="python -m training.icons", description="The icon model.")
    parser.add_argument("step", choices=["prepare", "train", "evaluate", "publish"])
    parser.add_argument("--work", type=Path, required=True, help="where pictures and checkpoints lie")
    parser.add_argument("--recipe", type=Path, default=root / "configs" / "icons.yaml")
    parser.add_argument("--model", type=Path, default=root / "models" / "icons", help="the published folder")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop training after so many, resumable")
    given = parser.parse_args()
    recipe = read_recipe(given.recipe)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    _LOG.info("%d pictures", prepare(given.work, recipe))
    if given.step == "train":
        train(given.work, recipe.model, minutes=given.minutes, progress=log_progress)
    elif given.step == "evaluate":
        _LOG.info("%s", evaluate(given.model, given.work))
    elif given.step == "publish":
        _LOG.info("%s", publish(given.work, recipe, given.model))


def log_progress(stage: str, done: int, steps: int, loss: float) -> None:
    """A line for every fiftieth step."""
    if done % 50 == 0 or done == steps:
        _LOG.info("%s: step %d of %d, loss %.4f", stage, done, steps, loss)


if __name__ == "__main__":
    main()
