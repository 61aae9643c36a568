"""Render thumbnails and contact sheets, and convert pictures between formats."""

import io
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from media.errors import UnreadableMedia
from media.images.errors import picture_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Picture = bytes | Path
_BACKGROUND = (244, 244, 245)
_GAP = 8
_NUMBER_SIDE = 20
_OPAQUE = 128
"""From this alpha on a pixel counts as opaque: an edge that is smoothed is no hole."""


def thumbnail(picture: Picture, side: int = 256) -> bytes:
    """Return an upright JPEG that fits into side × side pixels, never enlarged; transparency becomes light grey.

    Raises UnreadableMedia.
    """
    return _jpeg(_decode_small(picture, side))


def gray_miniature(picture: Picture, side: int) -> "NDArray[np.uint8]":
    """Return the gray values of an upright picture, scaled so that its longer side has `side` pixels.

    Raises UnreadableMedia.
    """
    import numpy as np
    from PIL import Image

    gray = _decode_small(picture, side * 4).convert("L")
    scale = side / max(gray.size)
    size = max(round(gray.width * scale), 1), max(round(gray.height * scale), 1)
    return np.asarray(gray.resize(size, Image.Resampling.LANCZOS), np.uint8)


def contact_sheet(pictures: Sequence[Picture], side: int = 192, columns: int = 4) -> bytes:
    """Return one JPEG with the pictures in rows, centred in squares and numbered from 1. Raises UnreadableMedia."""
    from PIL import Image, ImageDraw, ImageFont

    if not pictures:
        raise ValueError("A contact sheet needs at least one picture.")
    columns = min(columns, len(pictures))
    rows = ceil(len(pictures) / columns)
    step = side + _GAP
    sheet = Image.new("RGB", (columns * step + _GAP, rows * step + _GAP), _BACKGROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_NUMBER_SIDE * 0.65)
    for number, picture in enumerate(pictures):
        small = _decode_small(picture, side)
        left, top = _GAP + number % columns * step, _GAP + number // columns * step
        sheet.paste(small, (left + (side - small.width) // 2, top + (side - small.height) // 2))
        label = (left, top, left + _NUMBER_SIDE, top + _NUMBER_SIDE)
        pen.rounded_rectangle(label, radius=5, fill="white")
        middle = (left + _NUMBER_SIDE / 2, top + _NUMBER_SIDE / 2)
        pen.text(middle, str(number + 1), fill="black", anchor="mm", font=font)
    return _jpeg(sheet)


def convert(picture: bytes, kind: Literal["jpeg", "webp"], quality: int = 95, exif: bytes = b"") -> bytes:
    """Re-encode a picture in another format, with this EXIF. Raises UnreadableMedia."""
    from PIL import Image

    file = io.BytesIO()
    try:
        with Image.open(io.BytesIO(picture)) as image:
            upright_rgb(image).save(file, kind, quality=quality, exif=exif)
    except picture_errors() as error:
        raise UnreadableMedia("The picture cannot be decoded: its data is broken or cut off.") from error
    return file.getvalue()


def has_hole(picture: bytes) -> bool:
    """Whether a picture is transparent somewhere. Raises UnreadableMedia."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture)) as image:
            least, _ = cast(tuple[int, int], image.convert("RGBA").getchannel("A").getextrema())
            return image.has_transparency_data and least < _OPAQUE
    except picture_errors() as error:
        raise UnreadableMedia("The picture cannot be decoded: its data is broken or cut off.") from error


def upright_rgb(image: "Image") -> "Image":
    """Apply the Exif orientation, and convert to RGB on a light grey background."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16-bit greyscale, which convert("RGB") would clip to white
        image = image.convert("I").point(lambda grey: grey / 256).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    ground = Image.new("RGBA", layer.size, (*_BACKGROUND, 255))
    return Image.alpha_composite(ground, layer).convert("RGB")


def _decode_small(picture: Picture, side: int) -> "Image":
    from PIL import Image

    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
            image.draft("RGB", (side * 2, side * 2))  # decode a JPEG at a lower scale
            small = upright_rgb(image)
    except picture_errors() as error:
        raise UnreadableMedia("The picture cannot be decoded: its data is broken or cut off.") from error
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def _jpeg(image: "Image") -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85, optimize=True)
    return file.getvalue()
