"""Change a part of a picture only: a mask says where, and everything else keeps its pixels.

It needs no model made for inpainting: after each step, the latents outside of the mask are replaced with those of the
start picture at the noise level of that step.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from media.errors import UnreadableMedia
from media.images.errors import picture_errors
from modalities.errors import InvalidRequest

if TYPE_CHECKING:
    from PIL.Image import Image

_ASPECT_TOLERANCE = 0.02
AfterStep = Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]


def read_mask(mask: bytes, picture: bytes, width: int, height: int) -> "Image":
    """Return the mask of a picture at this size, in mode L: 255 where it is transparent, and the picture may change.

    Raises InvalidRequest for a mask of another shape or without a transparent part, UnreadableMedia.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(mask)) as opened, Image.open(io.BytesIO(picture)) as start:
            alpha = ImageOps.exif_transpose(opened).convert("RGBA").getchannel("A")
            shape = ImageOps.exif_transpose(start).size
    except picture_errors() as error:
        raise UnreadableMedia("The mask cannot be decoded: its data is broken or cut off.") from error
    if abs(alpha.width * shape[1] / (alpha.height * shape[0]) - 1) > _ASPECT_TOLERANCE:
        raise InvalidRequest(
            f"The mask has {alpha.width} × {alpha.height} pixels and the picture {shape[0]} × {shape[1]}: "
            "give both the same size."
        )
    holes = ImageOps.fit(ImageOps.invert(alpha), (width, height), Image.Resampling.BOX)
    _, most = cast(tuple[int, int], holes.getextrema())
    if most < 128:
        raise InvalidRequest("The mask has no transparent part: make transparent what should change.")
    return holes


def keep_outside(pipeline: Any, model: str, start: "Image", mask: "Image", seed: int) -> AfterStep:
    """Return the callback that puts the start picture's latents back outside of the mask, after each step."""
    import numpy as np
    import torch

    opacity = torch.from_numpy(np.asarray(mask, np.float32) / 255)[None, None]
    kept: dict[str, Any] = {}

    def after_step(_pipeline: Any, _step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        latents = tensors["latents"]
        if latents.ndim != 4:
            raise InvalidRequest(f"The model {model} changes a picture as a whole: leave the mask out.")
        if not kept:
            clean = encode_picture(pipeline, start, latents)
            noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed)).to(clean)
            share = torch.nn.functional.interpolate(opacity, size=latents.shape[-2:], mode="area").to(clean)
            kept.update(clean=clean, noise=noise, share=share)
        outside = _noised(pipeline.scheduler, kept["clean"], kept["noise"], timestep)
        return tensors | {"latents": kept["share"] * latents + (1 - kept["share"]) * outside}

    return after_step


def encode_picture(pipeline: Any, picture: "Image", like: Any) -> Any:
    """Encode a picture into latents of the type and device of `like`."""
    import torch

    vae = pipeline.vae
    with torch.inference_mode():
        pixels = pipeline.image_processor.preprocess(picture).to(device=vae.device, dtype=vae.dtype)
        encoded = vae.encode(pixels).latent_dist.mode()
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    return ((encoded - shift) * vae.config.scaling_factor).to(like)


def composite(start: "Image", pixels: Any, mask: "Image") -> Any:
    """Return the pixels (height, width, 3; from 0 to 1), outside of the mask those of the start picture."""
    import numpy as np

    share = np.asarray(mask, np.float32)[..., None] / 255
    return share * pixels + (1 - share) * np.asarray(start, np.float32) / 255


def _noised(scheduler: Any, clean: Any, noise: Any, timestep: Any) -> Any:
    """Return the latents at the noise level that follows this timestep; clean ones after the last."""
    steps = [float(each) for each in scheduler.timesteps]
    place = steps.index(float(timestep)) + 1 if float(timestep) in steps else len(steps)
    if place >= len(steps):
        return clean
    level = scheduler.timesteps[place : place + 1]
    return scheduler.add_noise(clean, noise, level) if hasattr(scheduler, "add_noise") else clean
