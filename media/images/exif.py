"""Properties that pictures carry: when they were taken, the camera, and how it was held."""

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media.facts import Property
from media.images.captions import captions
from media.images.errors import picture_errors
from media.images.live_photos import LIVE_PHOTO, apple_identifier

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

_MAKE, _MODEL, _ORIENTATION, _MODIFIED, _EXIF = 0x010F, 0x0110, 0x0112, 0x0132, 0x8769
_ORIGINAL, _DIGITIZED, _OFFSET, _MAKER_NOTE = 0x9003, 0x9004, 0x9011, 0x927C
_STAMP = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?")
_WITHOUT_ZONE = len("2015-06-01T12:30:00")
_ZONE = re.compile(r"[+-]\d\d:\d\d")
_MAX_CHARACTERS = 100
_FIRST_PHOTOGRAPH = 1905  # QuickTime counts from 1904: a clock that was never set


def picture_properties(image: "Image") -> dict[str, Property]:
    """Return `taken` (ISO 8601, with a zone if there is one), `camera`, `orientation` and `live_photo`, if given.

    Beside them, what people wrote into the file: `title`, `description` and `keywords`.
    """
    try:
        return captions(image) | _from_exif(image.getexif())
    except picture_errors():
        return {}  # broken Exif says nothing about the picture


def raw_properties(path: Path) -> dict[str, Property]:
    """Return the properties of the raw picture of a camera, where Pillow can read its tags."""
    from PIL import Image

    try:
        with Image.open(path, formats=["TIFF"]) as image:
            found: Any = image.getexif()
            return {name: value for name, value in _from_exif(found).items() if name != "orientation"}
    except picture_errors():
        return {}


def _from_exif(exif: "Exif") -> dict[str, Property]:
    details = exif.get_ifd(_EXIF)
    stamp = next((found for tag in (_ORIGINAL, _DIGITIZED) if (found := iso_time(details.get(tag)))), "")
    zone = _text(details.get(_OFFSET))
    properties: dict[str, Property] = {}
    if stamp:
        properties["taken"] = stamp + (zone if len(stamp) == _WITHOUT_ZONE and _ZONE.fullmatch(zone) else "")
    elif modified := iso_time(exif.get(_MODIFIED)):
        properties["taken"] = modified
    make, model = _text(exif.get(_MAKE)), _text(exif.get(_MODEL))
    if camera := (model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()):
        properties["camera"] = camera
    orientation = exif.get(_ORIENTATION, 1)
    if isinstance(orientation, int) and 1 < orientation <= 8:
        properties["orientation"] = orientation
    if identifier := apple_identifier(details.get(_MAKER_NOTE)):
        properties[LIVE_PHOTO] = identifier
    return properties


def iso_time(value: object) -> str:
    """Return a time as cameras write it in ISO 8601, with its zone if it has one; empty if it is none."""
    found = _STAMP.match(_text(value))
    if not found:
        return ""
    try:
        time = datetime(*(int(part) for part in found.groups()[:6]))  # pyright: ignore[reportArgumentType]
    except ValueError:
        return ""
    zone = (found[7] or "").replace("Z", "+00:00")
    zone = f"{zone[:3]}:{zone[3:]}" if zone and ":" not in zone else zone
    return time.isoformat() + zone if time.year >= _FIRST_PHOTOGRAPH else ""


def _text(value: object) -> str:
    return "".join(c for c in str(value or "") if c.isprintable()).strip()[:_MAX_CHARACTERS]
