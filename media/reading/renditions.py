"""Render a picture for screens and models: upright, in sRGB, within 4096 × 4096 pixels; and frames of animations."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media.errors import UnreadableMedia
from media.facts import Caps
from media.images.errors import BROKEN, picture_errors
from media.images.formats import RENDERED_PIXELS, check_size, has_profile, open_picture, scale_down, stretched
from media.images.live_photos import appended_film
from media.images.raw import develop, is_raw
from media.pictures import upright_rgb
from media.reading.contents import SHOWN_SIDE, Blobs, Extract, Rendering

if TYPE_CHECKING:
    from PIL.Image import Image

_ANIMATION_FRAMES, _PAGES = 5, 200
"""Frames of an animation, and pages of a TIFF, that are kept."""
_LARGE = 100_000_000
"""Pixels of a picture of which memory holds no second copy: it is reduced before anything else."""
_ENTIRE = ("PSD", "MPO", "ICO")
"""Formats whose further frames are layers, views or sizes of the same picture."""


def read_picture(path: Path, blobs: Blobs, caps: Caps) -> Extract:
    """Return the picture to show, and a few frames of an animation or the pages of a TIFF. Raises UnreadableMedia."""
    if is_raw(path):
        image, _ = develop(path, caps)
        return Extract(shown=Rendering(blob=blobs.add(to_jpeg(image))))
    try:
        with open_picture(path) as image:
            check_size(image, caps)
            scale_down(image, RENDERED_PIXELS)
            shown = Rendering(blob=blobs.add(to_jpeg(in_srgb(image))))
            return Extract(shown=shown, frames=_further_frames(image, blobs, caps), motion=_motion(path, image, blobs))
    except picture_errors() as error:
        raise UnreadableMedia(BROKEN) from error


def _motion(path: Path, image: "Image", blobs: Blobs) -> Rendering | None:
    """Return the film that is appended to a motion photo."""
    if image.info.get("xmp") and (at := appended_film(data := path.read_bytes())):
        return Rendering(blob=blobs.add(data[at:]), media_type="video/mp4")
    return None


def in_srgb(image: "Image") -> "Image":
    """Return a picture upright, in RGB, in sRGB if it has a profile, and not larger than it is shown."""
    from PIL import Image

    image.load()
    orientation = image.getexif().get(0x0112, 1)
    profile = image.info.get("icc_profile") if has_profile(image) else None
    longer = max(image.width, image.height)
    is_large = image.width * image.height > _LARGE
    factor = -(-longer // SHOWN_SIDE) if is_large else longer // (2 * SHOWN_SIDE)
    small = image.reduce(factor) if factor > 1 and image.mode not in ("P", "1") else image
    if small.mode == "F" or (small.mode == "I" and small.format != "PNG"):
        import numpy as np

        small = Image.fromarray(stretched(np.asarray(small)))
    if profile:
        small = _converted(small, profile)
    if small is not image and orientation != 1:
        small.getexif()[0x0112] = orientation
    picture = upright_rgb(small)
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.LANCZOS)
    return picture


def to_jpeg(image: "Image") -> bytes:
    """Encode an RGB picture for the screen."""
    from PIL import Image

    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def _converted(image: "Image", profile: bytes) -> "Image":
    """Convert the colours by a profile to sRGB; a profile that does not fit the picture is left out."""
    from PIL import Image, ImageCms

    source: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}.get(source.profile.xcolor_space.strip())
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    plain = image if image.mode == space else image.convert("RGB" if space == "RGB" else image.mode)
    if plain.mode != space:
        return image
    try:
        made = ImageCms.profileToProfile(plain, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, ValueError):
        return image
    if not isinstance(made, Image.Image):
        return image
    made.info.pop("icc_profile", None)
    if alpha:
        made.putalpha(alpha)
    return made


def _further_frames(image: "Image", blobs: Blobs, caps: Caps) -> tuple[Rendering, ...]:
    """Render pages of a TIFF, or a few frames of an animation at equal distances, without the first one."""
    count = 1 if image.format in _ENTIRE else min(int(getattr(image, "n_frames", 1)), caps.image_frames)
    if image.format == "TIFF":
        numbers = list(range(1, min(count, _PAGES)))
    else:
        numbers = sorted({count * part // _ANIMATION_FRAMES for part in range(1, _ANIMATION_FRAMES)} - {0})
    frames: list[Rendering] = []
    for number in numbers:
        image.seek(number)
        check_size(image, caps)
        place = f"page={number + 1}" if image.format == "TIFF" else f"frame={number + 1}"
        frames.append(Rendering(blob=blobs.add(to_jpeg(in_srgb(image.copy()))), place=place))
    return tuple(frames)
