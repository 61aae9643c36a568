"""The model card of the icon model: training data, usage, metrics and limits."""

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.icons.data import Icon
from training.icons.evaluate import GUIDANCE, NEAREST, STEPS, Evaluation
from training.icons.model import IconConfig
from training.icons.train import split_caption

_PACKAGES = """{pictures} pictures. Fetched with `npm pack`:

| package | licence |
|---|---|
{packages}

The Twitter icons (style bold) are Twemoji, copyright Twitter, Inc and other contributors, CC BY 4.0; the Google ones
are Noto Emoji; the others are Microsoft's Fluent Emoji. Whoever passes pictures or this model on should name them."""
_OWN = "{pictures} pictures of the folder that was given, under the licence of whoever they come from."
_CARD = """---
license: {licence}
library_name: diffusers
pipeline_tag: text-to-image
---

# Icons

A small latent diffusion model that draws {styles_count} styles of {concepts_count} things, {size}×{size} pixels. It was
made from nothing by Triptych's own recipe, `triptych train icons`, on a CPU, so that picture generation can
be tried without a model hub. It is a `StableDiffusionPipeline` like any other.

![samples: each concept in the styles {styles}](samples.png)

## Ask for

`STYLE NAME`, such as `{example}`; `NAME`, `a STYLE icon of a NAME` and `NAME, STYLE` work as well.{ask_for_tags}

- Styles: {styles}.
- Names: {concepts}.{tags}

{steps} steps at guidance {guidance:g} were used here.

## Learned from

{sources}

## Sizes and training

| part | parameters | |
|---|---|---|
{sizes}

fp16 files: {megabytes:.1f} MB. {latents} latent channels at 1/8 of the width. Seed {seed}.

{stages}

{notes}

![losses](losses.png)

## Measured

{prompts} prompts `STYLE NAME` spread evenly over the training icons, each from its own fixed seed, {steps} steps at
guidance {guidance:g} in float32. For each picture, the {nearest} nearest training icons by cosine of the features of
EfficientNet-Lite0 (1280 numbers before the classifier):

| | share |
|---|---|
| one of the {nearest} nearest shows the concept | {concept_nearest:.1%} |
| the nearest shows the concept | {concept_first:.1%} |
| the nearest is in the style | {style_first:.1%} |
| one of the {nearest} nearest is in the style | {style_nearest:.1%} |
| of the icons of the concept, the one in the style is nearest (by chance {chance:.0%}) | {style_of_concept:.1%} |

The decoder learned with a loss on earlier layers of the same network, which makes these numbers kinder than another
network's would be. Compared by their pixels alone, the nearest icon shows the concept for {concept_in_pixels:.1%} and
is in the style for {style_in_pixels:.1%}.{measured_tags}

Training icons through the autoencoder and back: {db:.1f} dB peak signal-to-noise ratio.

## Limits

It knows the names and tags it learned and nothing else: another word gives some mixture of them. It has seen
{pictures} pictures and no others, one of each thing in each style: where it draws well it repeats them, so treat its
pictures as close to the icon sets, under their licences. The numbers above say how well it recalls, not that it
invents; there is nothing held out. Where they are low, it draws blots of the right colour.
"""


_STAGES = {
    "autoencoder": """Autoencoder: {steps} steps of {autoencoder_batch} pictures or their mirror images, loss in pixels,
edges and mean colours with a small KL term.""",
    "unet": """UNet and text encoder: {steps} steps of {batch} latents ({mirrored:.0%} mirrored), v-prediction, cosine
schedule with zero terminal SNR, less weight above SNR 5, {dropout:.0%} empty prompts, running average of the
weights.""",
    "decoder": """Then the decoder alone: {steps} steps of {autoencoder_batch} latents, half with noise, half as the
UNet makes them, with a loss on the layers of EfficientNet-Lite0 as well (LPIPS with that network).""",
}
_ASK_FOR_TAGS = """ `STYLE TAG`
asks for one of the things that have the tag (how often it comes is measured below); tags may also follow a name, behind
commas."""
_TAGS = "\n- Tags, the most frequent of them: {tags}."
_MEASURED_TAGS = """

Of {tag_prompts} prompts `STYLE TAG`, spread over the tags, {tag_first:.1%} drew a picture whose nearest icon has that
tag or that word in its name; for {tag_nearest:.1%} one of the {nearest} nearest has."""
_UNTRAINED = "{stage}: not trained here."


def model_card(
    packages: Mapping[str, str],
    icons: Sequence[Icon],
    config: IconConfig,
    folder: Path,
    found: Evaluation,
    steps: Mapping[str, int],
    notes: str = "",
) -> str:
    """The card of the model in `folder` in Markdown; `steps` is the number of steps of each stage."""
    pairs, tags = [split_caption(icon.caption) for icon in icons], [tag for icon in icons for tag in icon.tags]
    styles, concepts = (list(dict.fromkeys(column)) for column in zip(*pairs, strict=True))
    parts = {part: _parameters(folder / part) for part in ("vae", "unet", "text_encoder")}
    return _CARD.format(
        licence="cc-by-4.0" if packages else "other",
        size=config.size,
        styles_count=len(styles),
        concepts_count=len(concepts),
        styles=", ".join(styles),
        concepts=", ".join(sorted(concepts)),
        example=icons[0].caption,
        steps=STEPS,
        guidance=GUIDANCE,
        nearest=NEAREST,
        pictures=len(icons),
        sources=(_PACKAGES if packages else _OWN).format(
            pictures=len(icons),
            packages="\n".join(f"| {package} | {licence} |" for package, licence in packages.items()),
        ),
        sizes="\n".join(f"| {part} | {count / 1e6:.2f} million |" for part, count in parts.items()),
        megabytes=sum(file.stat().st_size for file in folder.rglob("*.safetensors")) / 1e6,
        seed=config.seed,
        latents=config.latent_channels,
        stages=textwrap.fill(" ".join(_stage(stage, steps[stage], config) for stage in _STAGES), 120),
        notes=textwrap.fill(notes, 120),
        prompts=found.prompts,
        concept_first=found.concept_first,
        concept_nearest=found.concept_nearest,
        style_first=found.style_first,
        style_nearest=found.style_nearest,
        style_of_concept=found.style_of_concept,
        concept_in_pixels=found.concept_in_pixels,
        style_in_pixels=found.style_in_pixels,
        chance=1 / len(styles),
        ask_for_tags=_ASK_FOR_TAGS if tags else "",
        tags=_TAGS.format(tags=", ".join(_most_used(tags))) if tags else "",
        measured_tags=_MEASURED_TAGS.format(**vars(found), nearest=NEAREST) if tags else "",
        db=found.autoencoder_db,
    )


def _most_used(tags: Sequence[str], most: int = 24) -> list[str]:
    return [tag for tag, _ in Counter(sorted(tags)).most_common(most)]


def _stage(stage: str, steps: int, config: IconConfig) -> str:
    template = _STAGES[stage] if steps else _UNTRAINED
    return template.format(**config.model_dump() | {"stage": stage.capitalize(), "steps": steps})


def _parameters(folder: Path) -> int:
    from safetensors import safe_open

    (file,) = folder.glob("*.safetensors")
    with safe_open(file, "pt") as tensors:
        return sum(tensors.get_tensor(name).numel() for name in tensors.keys())  # noqa: SIM118
