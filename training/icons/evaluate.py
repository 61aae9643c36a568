"""Evaluate the icon model: compare generated pictures with the training icons by perceptual features."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from training.icons.data import Icon, pixels
from training.icons.perceptual import extract_features, load_feature_network
from training.icons.train import split_caption

STEPS = 25
GUIDANCE = 1.5
NEAREST = 5
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Evaluation:
    """Metrics from 0 to 1 over `prompts` pictures of known concepts in known styles."""

    prompts: int
    concept_first: float  # the nearest icon shows the concept
    concept_nearest: float  # one of the NEAREST nearest does
    style_first: float  # the nearest icon is in the style
    style_nearest: float  # one of the NEAREST nearest is
    style_of_concept: float  # among the icons of the requested concept, the one in the requested style is nearest
    concept_in_pixels: float  # the icon whose pixels differ least shows the concept
    style_in_pixels: float  # and is in the style
    tag_prompts: int  # pictures with a tag instead of a name in the prompt, of which:
    tag_first: float  # the nearest icon has that tag, or that word in its name
    tag_nearest: float  # one of the NEAREST nearest has
    autoencoder_db: float  # peak signal-to-noise ratio of reconstructed training icons


def evaluate_folder(folder: Path, icons: Sequence[Icon], prompts: int) -> Evaluation:
    """Draw the captions of evenly spread icons, number k from seed k, and compare with the nearest icons."""
    pipeline = load_pipeline(folder)
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    known = pixels(icons, side)
    asked = _evenly(icons, prompts)
    drawn = draw(pipeline, [icon.caption for icon in asked])
    words = np.array([split_caption(icon.caption) for icon in icons])
    wanted = np.array([split_caption(icon.caption) for icon in asked])
    network = load_feature_network()
    features = extract_features(network, known)
    alike = (extract_features(network, drawn) @ features.T).numpy()  # prompts × icons
    near = words[np.argsort(-alike, axis=1)[:, :NEAREST]] == wanted[:, None]  # prompts × NEAREST × (style, concept)
    in_pixels = words[torch.cdist(drawn.flatten(1), known.flatten(1)).argmin(dim=1).numpy()] == wanted
    of_concept = np.where(words[:, 1] == wanted[:, 1:], alike, -np.inf).argmax(axis=1)
    tagged = _tagged(pipeline, network, icons, features, prompts)  # prompts × NEAREST
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


def _tagged(pipeline: Any, network: Any, icons: Sequence[Icon], features: Any, prompts: int) -> Any:
    """Draw evenly spread prompts `STYLE TAG`; which of the nearest icons have the tag (prompts × NEAREST)."""
    pairs = sorted({(split_caption(icon.caption)[0], tag) for icon in icons for tag in icon.tags})
    asked = _evenly(pairs, prompts)
    if not asked:
        return np.zeros((0, NEAREST), dtype=bool)
    drawn = draw(pipeline, [" ".join(pair) for pair in asked])
    near = (-(extract_features(network, drawn) @ features.T)).argsort(dim=1)[:, :NEAREST].tolist()
    words = [{*icon.tags, *split_caption(icon.caption)[1].split()} for icon in icons]
    return np.array([[tag in words[at] for at in row] for (_, tag), row in zip(asked, near, strict=True)])


def _evenly(items: Sequence[_Item], most: int) -> list[_Item]:
    """Up to `most` items, evenly spread, with the first and the last."""
    return [items[int(at)] for at in np.linspace(0, len(items) - 1, min(most, len(items)))]


def contact_sheet(folder: Path, icons: Sequence[Icon], rows: int = 10) -> Image.Image:
    """A picture of samples: evenly spread concepts, each in every style, from seed 0."""
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
    """Load a published folder with diffusers, in float32 as it is served."""
    from diffusers.pipelines.auto_pipeline import AutoPipelineForText2Image

    pipeline: Any = AutoPipelineForText2Image.from_pretrained(str(folder), dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipeline: Any, prompts: Sequence[str], *, seed: int | None = None, at_once: int = 8) -> Any:
    """One picture per prompt, N×3×S×S in [-1, 1], from the given seed or else from the index of the prompt."""
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
    """The mean peak signal-to-noise ratio in dB of about 64 icons after encoding and decoding."""
    with torch.inference_mode():
        some = known[:: max(1, len(known) // 64)]
        latents = pipeline.vae.encode(some).latent_dist.mean
        error = (pipeline.vae.decode(latents).sample.clamp(-1, 1) - some).square().mean(dim=(1, 2, 3))
        return float((10 * torch.log10(4 / error)).mean())
