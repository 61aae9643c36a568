"""Open pictures of every accepted format with Pillow, within bounds of memory."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media.errors import UnreadableMedia, UnsupportedMedia
from media.facts import CAPS, CONTENTS, Caps, MediaFacts, Property
from media.images.errors import BROKEN, picture_errors
from media.images.exif import picture_properties
from media.images.live_photos import LIVE_PHOTO, appended_film
from media.images.raw import identify_raw, is_raw
from media.media_types import IMAGE_FORMATS, IMAGE_TYPES, RENDERED_TYPES

if TYPE_CHECKING:
    from PIL.Image import Image

RENDERED_PIXELS = 50_000_000
"""A picture with more pixels is shown and embedded by a smaller copy."""
_BY_OPENCV = "opencv"
_TURNED = (5, 6, 7, 8)
"""Exif orientations that swap the sides."""
_SCALED_SIDE = 4096


@cache
def register_formats() -> None:
    """Let Pillow open HEIF and JPEG XL, and pictures as large as the caps allow."""
    import pillow_heif
    import pillow_jxl  # noqa: F401  # pyright: ignore[reportUnusedImport]  # registers itself
    from PIL import Image

    pillow_heif.register_heif_opener()
    # check_size has limits of its own: Pillow refuses all from 179 million on, which is twice its limit.
    Image.MAX_IMAGE_PIXELS = CAPS.scaled_image_pixels // 2
    Image.init()


def identify_picture(path: Path, name: str, caps: Caps, label: str | None) -> MediaFacts:
    """Return the facts of a picture, by decoding it. Raises UnsupportedMedia, UnreadableMedia."""
    from PIL import Image

    register_formats()
    if is_raw(path):
        return identify_raw(path, name, caps)
    try:
        with open_picture(path) as image:
            media_type, properties = _decode(image, caps, label)
            properties |= picture_properties(image) | _motion_properties(path, image)
    except Image.DecompressionBombError as error:
        limit = CAPS.scaled_image_pixels / 1e6
        raise UnsupportedMedia(f"The picture has more than {limit:.0f} million pixels: make it smaller.") from error
    except picture_errors() as error:
        raise UnreadableMedia(BROKEN) from error
    return MediaFacts(media_type=media_type, kind="image", name=name, properties=properties)


def _decode(image: "Image", caps: Caps, label: str | None) -> tuple[str, dict[str, Property]]:
    """Check and decode a picture; return its media type and properties. Raises UnsupportedMedia, and as Pillow does."""
    media_type, labels = IMAGE_TYPES[image.format or ""]
    check_size(image, caps)
    if label and labels and label not in labels:
        raise UnsupportedMedia(
            f"The file begins like a picture ({image.format}) and goes on like {label}: save the picture anew."
        )
    frames = 1 if image.format in ("PSD", "MPO", "ICO") else int(getattr(image, "n_frames", 1))
    if frames > caps.image_frames:
        raise UnsupportedMedia(f"The picture has {frames} frames, and the limit is {caps.image_frames}.")
    width, height = image.size
    scale_down(image, caps.image_pixels)
    image.load()
    if image.getexif().get(0x0112, 1) in _TURNED:
        width, height = height, width
    properties: dict[str, Property] = {"width": width, "height": height, "animated": frames > 1}
    if media_type in RENDERED_TYPES or frames > 1 or width * height > RENDERED_PIXELS or _looks_otherwise(image):
        properties[CONTENTS] = True
    return media_type, properties


def _motion_properties(path: Path, image: "Image") -> dict[str, Property]:
    """Return the properties of a picture to which a film is appended: an identifier made of the film's hash."""
    if image.info.get("xmp") and (at := appended_film(data := path.read_bytes())):
        return {LIVE_PHOTO: f"MOTION-{hashlib.sha256(data[at:]).hexdigest()[:32].upper()}", CONTENTS: True}
    return {}


def _looks_otherwise(image: "Image") -> bool:
    """Whether a picture does not look right where it is just decoded: floats, colour profiles, rare kinds of TIFF."""
    return image.mode in ("F", "I") or has_profile(image) or _BY_OPENCV in image.info


@contextmanager
def open_picture(path: Path) -> Generator["Image"]:
    """Open a picture lazily with Pillow; a TIFF that Pillow does not know with OpenCV. Raises what Pillow raises."""
    from PIL import Image, UnidentifiedImageError

    register_formats()
    try:
        image = Image.open(path, formats=IMAGE_FORMATS)
    except UnidentifiedImageError:
        image = _open_tiff(path)
    with image:
        yield image


def check_size(image: "Image", caps: Caps) -> None:
    """Raise UnsupportedMedia if the size in the header exceeds a cap; called before anything is decoded."""
    width, height = image.size
    longer, shorter = max(width, height), min(width, height)
    pixels = caps.scaled_image_pixels if _can_be_scaled(image) else caps.image_pixels
    if width * height > pixels:
        limit = f"{pixels / 1e6:.0f} million pixels"
    elif longer > caps.image_side:
        limit = f"{caps.image_side} pixels a side"
    elif longer > caps.image_aspect * shorter:
        limit = f"{caps.image_aspect} times as long as wide"
    else:
        return
    raise UnsupportedMedia(f"The picture has {width} × {height} pixels, and the limit is {limit}: make it smaller.")


def scale_down(image: "Image", pixels: int) -> None:
    """Have a JPEG of more pixels than these decoded at a lower scale; every byte of it is still read."""
    if _can_be_scaled(image) and image.width * image.height > pixels:
        image.draft(image.mode, (_SCALED_SIDE, _SCALED_SIDE))


def has_profile(image: "Image") -> bool:
    """Whether the colours of a picture are given by a profile other than sRGB."""
    return bool(image.info.get("icc_profile")) and "srgb" not in _profile_name(image.info["icc_profile"]).lower()


def _open_tiff(path: Path) -> "Image":
    """Open a TIFF of a kind that Pillow does not know, such as several float channels, with 8 bits a channel."""
    import cv2
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    with path.open("rb") as file:
        if file.read(4) not in (b"II*\0", b"MM\0*"):
            raise UnidentifiedImageError("not a TIFF")
    pixels: Any = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim not in (2, 3):
        raise UnidentifiedImageError("neither Pillow nor OpenCV can read it")
    if pixels.ndim == 3:
        pixels = pixels[:, :, 2::-1] if pixels.shape[2] >= 3 else pixels[:, :, 0]
    image = Image.fromarray(stretched(np.asarray(pixels)))
    image.format, image.info[_BY_OPENCV] = "TIFF", True
    return image


def stretched(pixels: Any) -> Any:
    """Map numbers of any range to 0–255, leaving out the darkest and brightest half percent of floats."""
    import numpy as np

    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    values = pixels.astype(np.float32)
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scaled = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) / max(high - low, 1e-12)
    return (np.clip(scaled, 0, 1) * 255).round().astype(np.uint8)


def _can_be_scaled(image: "Image") -> bool:
    return image.format in ("JPEG", "MPO") and not image.info.get("progressive")


@cache
def _profile_name(profile: bytes) -> str:
    """The description of a colour profile; "sRGB" for one that cannot be read, so that it is left out."""
    from io import BytesIO

    from PIL import ImageCms

    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return "sRGB"
