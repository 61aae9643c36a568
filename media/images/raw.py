"""Develop the raw pictures of cameras with LibRaw: the picture itself, never the thumbnail in it."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media.errors import UnreadableMedia, UnsupportedMedia
from media.facts import CONTENTS, Caps, MediaFacts, Property
from media.images.errors import picture_errors
from media.images.exif import raw_properties
from media.media_types import RAW_EXTENSIONS

if TYPE_CHECKING:
    from PIL.Image import Image

_DNG_VERSION, _SUB_IFDS, _SUBFILE_TYPE = 0xC612, 0x014A, 0x00FE
_HALVED_SIDE = 6000
"""From this longer side on, a picture is developed at half its size: four times faster, and larger than any screen."""


def is_raw(path: Path) -> bool:
    """Whether the file is the raw picture of a camera."""
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith((b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb")) or head[4:12] == b"ftypcrx ":
        return True
    if head[:4] not in (b"II*\0", b"MM\0*"):
        return False
    return head[8:10] == b"CR" or _has_raw_tags(path)


def develop(path: Path, caps: Caps) -> tuple["Image", tuple[int, int]]:
    """Develop a raw picture upright in sRGB, at half its size if it is large. Return it with its full size.

    Raises UnsupportedMedia, UnreadableMedia.
    """
    from PIL import Image

    with _opened_raw(path, caps) as raw:
        width, height = _raw_size(raw)
        half = max(width, height) >= _HALVED_SIDE
        pixels = raw.postprocess(use_camera_wb=True, half_size=half, output_bps=8)
    if pixels.shape[2] == 1:  # of a camera without colour filters
        pixels = pixels.repeat(3, axis=2)
    return Image.fromarray(pixels), (width, height)


def identify_raw(path: Path, name: str, caps: Caps) -> MediaFacts:
    """Return the facts of a raw picture, by decoding it. Raises UnsupportedMedia, UnreadableMedia."""
    with _opened_raw(path, caps) as raw:
        width, height = _raw_size(raw)
        assert raw.raw_image is not None  # decodes it
    suffix = Path(name).suffix.lower()
    media_type = RAW_EXTENSIONS.get(suffix, "image/x-raw")
    properties: dict[str, Property] = {"width": width, "height": height, "animated": False, CONTENTS: True}
    properties |= raw_properties(path)
    return MediaFacts(media_type=media_type, kind="image", name=name, properties=properties)


@contextmanager
def _opened_raw(path: Path, caps: Caps) -> Generator[Any]:
    """Open a raw picture with LibRaw. Raises UnsupportedMedia for a kind that it does not know, UnreadableMedia."""
    import rawpy

    try:
        with rawpy.imread(str(path)) as raw:
            width, height = _raw_size(raw)
            if width * height > caps.image_pixels:
                raise UnsupportedMedia(f"The picture has more than {caps.image_pixels / 1e6:.0f} million pixels.")
            yield raw
    except (rawpy.LibRawFileUnsupportedError, rawpy.NotSupportedError) as error:
        raise UnsupportedMedia(
            "The raw picture of this camera cannot be developed here: export it as TIFF or JPEG."
        ) from error
    except (rawpy.LibRawError, ValueError) as error:
        raise UnreadableMedia("The raw picture cannot be developed: its data is broken or cut off.") from error


def _raw_size(raw: Any) -> tuple[int, int]:
    sizes = raw.sizes
    width, height = int(sizes.width), int(sizes.height)
    return (height, width) if sizes.flip in (5, 6) else (width, height)


def _has_raw_tags(path: Path) -> bool:
    """Whether a TIFF is a DNG, or has a reduced picture first and the full one elsewhere, as raw pictures do."""
    from PIL import Image

    try:
        with Image.open(path, formats=["TIFF"]) as image:
            tags: Any = getattr(image, "tag_v2", {})
            reduced = int(tags.get(_SUBFILE_TYPE, 0) or 0) & 1
            return _DNG_VERSION in tags or bool(reduced and _SUB_IFDS in tags)
    except picture_errors():
        with path.open("rb") as file:  # Pillow may not know its pixels
            return b"\x12\xc6\x01\x00" in file.read(4096)
