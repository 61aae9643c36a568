"""Diffusion pipelines: diffusers' folders loaded, and what they can do asked before the work begins.

Nothing here knows a kind of model: a pipeline's signature, scheduler, tokenizers and image processor say what fits.
"""

import inspect
import io
from collections.abc import Mapping, Sequence
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from media.errors import UnreadableMedia
from media.pictures import upright_rgb
from modalities.errors import InvalidCatalogue, InvalidRequest, ModelUnavailable, NotEnoughMemory
from modalities.models.devices import DeviceName, DtypeName

if TYPE_CHECKING:
    from PIL.Image import Image

Scheduler = Literal["default", "ddim", "euler", "euler-ancestral", "dpm++"]
# diffusers' class, and the name that picture tools know it by.
_SCHEDULERS = {
    "ddim": ("DDIMScheduler", "DDIM"),
    "euler": ("EulerDiscreteScheduler", "Euler"),
    "euler-ancestral": ("EulerAncestralDiscreteScheduler", "Euler a"),
    "dpm++": ("DPMSolverMultistepScheduler", "DPM++ 2M"),
}


def load_pipelines(
    model: str, folder: Path, device: DeviceName, dtype: DtypeName, variant: str | None
) -> tuple[Any, Any | None]:
    """The pipeline from words, and the one from a picture and words on the same weights (None where there is none).

    Only safetensors are read, nothing is fetched, no code of the folder runs.

    Raises ModelUnavailable, and InvalidCatalogue for a dtype that pictures cannot be sampled in.
    """
    import torch
    from diffusers.pipelines.auto_pipeline import AutoPipelineForImage2Image, AutoPipelineForText2Image
    from safetensors import SafetensorError

    if dtype == "int8":
        raise InvalidCatalogue(f"The model {model} asks for int8, in which pictures cannot be sampled.")
    try:
        from_words: Any = AutoPipelineForText2Image.from_pretrained(
            str(folder),
            dtype=getattr(torch, dtype),
            variant=variant,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, KeyError, AttributeError, ImportError, RuntimeError, SafetensorError) as error:
        raise ModelUnavailable(
            f"The model {model} is not one that diffusers can load from safetensors: {error}."
        ) from error
    from_words.set_progress_bar_config(disable=True)
    from_words.to(device)
    try:
        from_picture: Any = AutoPipelineForImage2Image.from_pipe(from_words)
    except ValueError:
        return from_words, None
    from_picture.set_progress_bar_config(disable=True)
    return from_words, from_picture


def sample(pipeline: Any, model: str, seeds: Sequence[int], arguments: Mapping[str, Any]) -> Any:
    """Pixels from 0 to 1 (seeds × height × width × 3), from those arguments that are given and that the pipeline takes.

    Raises NotEnoughMemory.
    """
    import torch

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    accepted = parameters_of(pipeline)
    given = {name: value for name, value in arguments.items() if name in accepted and value is not None}
    try:
        return pipeline(**given, generator=generators, output_type="np").images
    except torch.OutOfMemoryError as error:
        raise NotEnoughMemory(
            f"{len(seeds)} pictures at once do not fit into the GPU's memory: "
            f"ask for smaller ones, or lower the batch of the model {model}."
        ) from error


def can_avoid(pipeline: Any, guidance: float) -> bool:
    """Whether a negative prompt has an effect: only beside classifier-free guidance, which some pipelines keep apart
    from `guidance_scale` and turn off unless their default says otherwise."""
    parameters = parameters_of(pipeline)
    true_guidance = parameters["true_cfg_scale"].default if "true_cfg_scale" in parameters else guidance
    return "negative_prompt" in parameters and true_guidance > 1


def parameters_of(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    """What a call of the pipeline takes."""
    return inspect.signature(pipeline.__call__).parameters


def new_scheduler(own: Any, name: Scheduler, model: str) -> Any:
    """A fresh scheduler with the settings of the model's own one. Raises InvalidRequest."""
    if name == "default":
        return type(own).from_config(own.config)
    kind = next((kind for kind in own.compatibles if kind.__name__ == _SCHEDULERS[name][0]), None)
    if kind is None:
        raise InvalidRequest(f"The model {model} does not work with the scheduler {name}: take default.")
    return kind.from_config(own.config)


def known_name(own: Any, name: Scheduler) -> str:
    """What picture tools call a scheduler."""
    return type(own).__name__.removesuffix("Scheduler") if name == "default" else _SCHEDULERS[name][1]


def check_size(pipeline: Any, model: str, width: int, height: int) -> None:
    """Sides come in whole latent cells, or whole patches of them where the model is a transformer.

    Raises InvalidRequest.
    """
    cell = pipeline.vae_scale_factor * getattr(pipeline, "patch_size", 1)
    side = lcm(cell, pipeline.image_processor.config.vae_scale_factor)
    if width % side or height % side:
        near = " × ".join(str(max(round(n / side), 1) * side) for n in (width, height))
        raise InvalidRequest(
            f"The model {model} makes pictures whose sides are multiples of {side} pixels, "
            f"and {width} × {height} is not: ask for {near}."
        )


def check_length(pipeline: Any, model: str, prompt: str) -> None:
    """Raises InvalidRequest where diffusers would drop the end of a prompt and go on.

    The picture would not be the one asked for, while the request, the recipe and the index all say that it is. A model
    with several text encoders reads a prompt whole when one of them does.
    """
    longest = parameters_of(pipeline).get("max_sequence_length")
    unread: list[tuple[int, int, str]] = []
    for name, tokenizer in pipeline.components.items():
        if not name.startswith("tokenizer") or tokenizer is None:
            continue
        limit = min(tokenizer.model_max_length, longest.default if longest else tokenizer.model_max_length)
        tokens = tokenizer(prompt, truncation=False, verbose=False).input_ids
        if len(tokens) <= limit:
            return
        unread.append((limit, len(tokens), tokenizer.decode(tokens[limit - 1 :], skip_special_tokens=True)))
    if unread:
        limit, count, rest = max(unread)
        raise InvalidRequest(
            f"The model {model} reads {limit} tokens and the prompt has {count}: shorten it, "
            f"or it would not read {rest.strip()[:80]!r}."
        )


def fitted(data: bytes, width: int, height: int) -> "Image":
    """The picture as people see it, scaled until it covers width × height pixels, and cropped to the middle.

    Raises UnreadableMedia.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as image:
            return ImageOps.fit(upright_rgb(image), (width, height), Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableMedia("The start picture cannot be decoded: its data is broken or cut off.") from error
