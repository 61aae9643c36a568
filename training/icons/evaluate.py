"""Does the icon model draw what it is asked for? Its pictures are compared with the icons that it learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from training.icons.data import Icon, pixels
from training.icons.image_tower import features_of, load_tower
from training.icons.train import split_caption

STEPS = 25
GUIDANCE = 1.5
NEAREST = 5
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Evaluation:
    """Shares from 0 to 1 over `prompts` pictures of known concepts in known styles."""

    prompts: int
    concept_first: float  # the nearest icon shows the concept
    concept_nearest: float  # one of the NEAREST nearest does
    style_first: float  # the nearest icon is in the style
    style_nearest: float  # one of the NEAREST nearest is
    style_of_concept: float  # of the icons of the asked concept, the one in the asked style is nearest
    concept_in_pixels: float  # the icon whose pixels differ least shows the concept
    style_in_pixels: float  # and is in the style
    tag_prompts: int  # pictures asked for by a tag in place of a name, of which:
    tag_first: float  # the nearest icon has that tag, or that word in its name
    tag_nearest: float  # one of the NEAREST nearest has
    autoencoder_db: float  # peak signal-to-noise ratio of training icons through the autoencoder


def evaluate_folder(folder: Path, icons: Sequence[Icon], prompts: int) -> Evaluation:
    """Prompt number k asks for icon number k × stride from seed k; the picture's nearest icons are then looked at."""
    pipeline = load_pipeline(folder)
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    known = pixels(icons, side)
    asked = _evenly(icons, prompts)
    drawn = draw(pipeline, [icon.caption for icon in asked])
    words = np.array([split_caption(icon.caption) for icon in icons])
    wanted = np.array([split_caption(icon.caption) for icon in asked])
    tower = load_tower()
    features = features_of(tower, known)
    alike = (features_of(tower, drawn) @ features.T).numpy()  # prompts × icons
    near = words[np.argsort(-alike, axis=1)[:, :NEAREST]] == wanted[:, None]  # prompts × NEAREST × (style, concept)
    in_pixels = words[torch.cdist(drawn.flatten(1), known.flatten(1)).argmin(dim=1).numpy()] == wanted
    of_concept = np.where(words[:, 1] == wanted[:, 1:], alike, -np.inf).argmax(axis=1)
    tagged = _tagged(pipeline, tower, icons, features, prompts)  # prompts × NEAREST
    return Evaluation(
        prompts=len(asked),
        concept_first=float(near[:, 0, 1].mean()),
        concept_nearest=float(near[:, :, 1].any(axis=1).mean()),
        style_first=float(near[:, 0, 0].mean()),
        style_nearest=float(near[:, :, 0].any(axis=1).mean()),
        style_of_concept=float((words[of_concept, 0] == wanted[:, 0]).mean()),
        concept_in_pixels=float(in_pixels[:, 1].mean()),
        style_in_pixels=float(in_pixels[:, 0].mean()),
        tag_prompts=len(tagged),
        tag_first=float(tagged[:, 0].mean()) if len(tagged) else 0.0,
        tag_nearest=float(tagged.any(axis=1).mean()) if len(tagged) else 0.0,
        autoencoder_db=_signal_to_noise(pipeline, known),
    )


def _tagged(pipeline: Any, tower: Any, icons: Sequence[Icon], features: Any, prompts: int) -> Any:
    """Asks for `STYLE TAG`, spread evenly over what can be asked so: which of the nearest icons have the tag."""
    pairs = sorted({(split_caption(icon.caption)[0], tag) for icon in icons for tag in icon.tags})
    asked = _evenly(pairs, prompts)
    if not asked:
        return np.zeros((0, NEAREST), dtype=bool)
    drawn = draw(pipeline, [" ".join(pair) for pair in asked])
    near = (-(features_of(tower, drawn) @ features.T)).argsort(dim=1)[:, :NEAREST].tolist()
    words = [{*icon.tags, *split_caption(icon.caption)[1].split()} for icon in icons]
    return np.array([[tag in words[at] for at in row] for (_, tag), row in zip(asked, near, strict=True)])


def _evenly(items: Sequence[_Item], most: int) -> list[_Item]:
    """Up to so many of them, spread over all, the first and the last among them."""
    return [items[int(at)] for at in np.linspace(0, len(items) - 1, min(most, len(items)))]


def contact_sheet(folder: Path, icons: Sequence[Icon], rows: int = 10) -> Image.Image:
    """Samples on one picture, concepts evenly from the list: six a row, each in every style, drawn from seed 0."""
    pipeline = load_pipeline(folder)
    styles = list(dict.fromkeys(split_caption(icon.caption)[0] for icon in icons))
    concepts = list(dict.fromkeys(split_caption(icon.caption)[1] for icon in icons))
    wide = max(1, 24 // len(styles))
    chosen = _evenly(concepts, rows * wide)
    pictures = draw(pipeline, [f"{style} {concept}" for concept in chosen for style in styles], seed=0)
    side, columns = pictures.shape[-1], min(wide, len(chosen)) * len(styles)
    sheet = Image.new("RGB", (columns * side, -(-len(pictures) // columns) * side), "white")
    for number, picture in enumerate(pictures):
        pixels_of = ((picture.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
        sheet.paste(Image.fromarray(pixels_of), (number % columns * side, number // columns * side))
    return sheet


def load_pipeline(folder: Path) -> Any:
    """The published folder through diffusers, in float32 as it is served."""
    from diffusers.pipelines.auto_pipeline import AutoPipelineForText2Image

    pipeline: Any = AutoPipelineForText2Image.from_pretrained(str(folder), dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipeline: Any, prompts: Sequence[str], *, seed: int | None = None, at_once: int = 8) -> Any:
    """N×3×S×S in [-1, 1]: one picture a prompt, from the given seed or from the prompt's own number."""
    rows: list[Any] = []
    for start in range(0, len(prompts), at_once):
        texts = list(prompts[start : start + at_once])
        numbers = [start + offset if seed is None else seed for offset in range(len(texts))]
        generators = [torch.Generator().manual_seed(number) for number in numbers]
        made = pipeline(
            texts, num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=generators, output_type="pt"
        )
        rows.append(made.images.float() * 2 - 1)
    return torch.cat(rows)


def _signal_to_noise(pipeline: Any, known: Any) -> float:
    with torch.inference_mode():
        some = known[:: max(1, len(known) // 64)]
        latents = pipeline.vae.encode(some).latent_dist.mean
        error = (pipeline.vae.decode(latents).sample.clamp(-1, 1) - some).square().mean(dim=(1, 2, 3))
        return float((10 * torch.log10(4 / error)).mean())
