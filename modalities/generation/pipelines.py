"""Load diffusers pipelines, and validate a request against a pipeline before it runs.

Nothing here depends on an architecture: the pipeline's signature, scheduler, tokenizers and image processor show what
it supports.
"""

import inspect
import io
from collections.abc import Mapping, Sequence
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media.errors import UnreadableMedia
from media.images.errors import picture_errors
from media.pictures import upright_rgb
from modalities.errors import InvalidCatalogue, InvalidRequest, ModelUnavailable, NotEnoughMemory
from modalities.generation.requests import Scheduler
from modalities.models.devices import DeviceName, DtypeName

if TYPE_CHECKING:
    from PIL.Image import Image

_PLANES = 4
# The class in diffusers, and the name that picture tools use.
_SCHEDULERS = {
    "ddim": ("DDIMScheduler", "DDIM"),
    "euler": ("EulerDiscreteScheduler", "Euler"),
    "euler-ancestral": ("EulerAncestralDiscreteScheduler", "Euler a"),
    "dpm++": ("DPMSolverMultistepScheduler", "DPM++ 2M"),
}


def load_pipelines(
    model: str, folder: Path, device: DeviceName, dtype: DtypeName, variant: str | None
) -> tuple[Any, Any | None]:
    """Load the text-to-image pipeline, and the image-to-image pipeline on the same weights (None if there is none).

    Reads safetensors only, downloads nothing, and runs no code from the folder.

    Raises ModelUnavailable, and InvalidCatalogue for int8.
    """
    import torch
    from diffusers.pipelines.auto_pipeline import AutoPipelineForImage2Image, AutoPipelineForText2Image
    from safetensors import SafetensorError

    if dtype == "int8":
        raise InvalidCatalogue(f"The model {model} asks for int8, in which pictures cannot be sampled.")
    try:
        text_to_image: Any = AutoPipelineForText2Image.from_pretrained(
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
    text_to_image.set_progress_bar_config(disable=True)
    text_to_image.to(device)
    try:
        image_to_image: Any = AutoPipelineForImage2Image.from_pipe(text_to_image)
    except ValueError:
        return text_to_image, None
    image_to_image.set_progress_bar_config(disable=True)
    return text_to_image, image_to_image


def sample(pipeline: Any, model: str, seeds: Sequence[int], arguments: Mapping[str, Any]) -> Any:
    """Run the pipeline once per seed, in one batch, with the arguments that are not None and that it accepts.

    Returns pixels from 0 to 1 of shape (seeds, height, width, 3). Raises NotEnoughMemory.
    """
    import torch

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    accepted = call_parameters(pipeline)
    given = {name: value for name, value in arguments.items() if name in accepted and value is not None}
    try:
        return pipeline(**given, generator=generators, output_type="np").images
    except torch.OutOfMemoryError as error:
        raise NotEnoughMemory(
            f"{len(seeds)} pictures at once do not fit into the GPU's memory: "
            f"ask for smaller ones, or lower the batch of the model {model}."
        ) from error


def decode_latents(pipeline: Any, latents: Any) -> Any | None:
    """Return the pixels from 0 to 1, of shape (pictures, height, width, 3), that latents stand for at this step.

    None for latents that are no planes, such as those of transformers that put patches into sequences.
    """
    import torch

    vae = getattr(pipeline, "vae", None)
    if vae is None or latents.ndim != _PLANES:
        return None
    with torch.inference_mode():
        shift = getattr(vae.config, "shift_factor", None) or 0.0
        pixels = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor + shift).sample
        return pipeline.image_processor.postprocess(pixels, output_type="np")


def uses_negative_prompt(pipeline: Any, guidance: float) -> bool:
    """Whether a negative prompt has an effect at this guidance: it needs classifier-free guidance above 1."""
    parameters = call_parameters(pipeline)
    # Models with distilled guidance, such as FLUX, have a separate scale for classifier-free guidance.
    true_guidance = parameters["true_cfg_scale"].default if "true_cfg_scale" in parameters else guidance
    return "negative_prompt" in parameters and true_guidance > 1


def call_parameters(pipeline: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of the pipeline's `__call__`."""
    return inspect.signature(pipeline.__call__).parameters


def new_scheduler(own: Any, name: Scheduler, model: str) -> Any:
    """Create a scheduler with the configuration of the model's own. Raises InvalidRequest if it is incompatible."""
    if name == "default":
        return type(own).from_config(own.config)
    kind = next((kind for kind in own.compatibles if kind.__name__ == _SCHEDULERS[name][0]), None)
    if kind is None:
        raise InvalidRequest(f"The model {model} does not work with the scheduler {name}: take default.")
    return kind.from_config(own.config)


def display_name(own: Any, name: Scheduler) -> str:
    """Return the name that picture tools use for a scheduler."""
    return type(own).__name__.removesuffix("Scheduler") if name == "default" else _SCHEDULERS[name][1]


def check_size(pipeline: Any, model: str, width: int, height: int) -> None:
    """Raise InvalidRequest unless both sides are multiples of a latent cell, or of a patch in a transformer model."""
    cell = pipeline.vae_scale_factor * getattr(pipeline, "patch_size", 1)
    side = lcm(cell, pipeline.image_processor.config.vae_scale_factor)
    if width % side or height % side:
        near = " × ".join(str(max(round(n / side), 1) * side) for n in (width, height))
        raise InvalidRequest(
            f"The model {model} makes pictures whose sides are multiples of {side} pixels, "
            f"and {width} × {height} is not: ask for {near}."
        )


def fit_to_size(data: bytes, width: int, height: int) -> "Image":
    """Decode a picture upright, scale it to cover width × height pixels, and crop it to the middle.

    Raises UnreadableMedia.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as image:
            return ImageOps.fit(upright_rgb(image), (width, height), Image.Resampling.LANCZOS)
    except picture_errors() as error:
        raise UnreadableMedia("The start picture cannot be decoded: its data is broken or cut off.") from error
