"""What people wrote about a picture into its file: title, description and keywords, in XMP, IPTC and Exif."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from media.images.errors import picture_errors
from media.images.xmp import xmp_elements

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage]
    from PIL.Image import Image

_XMP_NAMES = {
    "title": "title",
    "description": "description",
    "subject": "keywords",
    "DateTimeOriginal": "taken",
    "DateCreated": "taken",
    "CreateDate": "taken",
    "Model": "camera",
}
"""The property of each XMP name; of several names of one property the first counts."""
_CAPTIONS = ("title", "description", "keywords")
_IPTC = {(2, 5): "title", (2, 120): "description", (2, 25): "keywords"}
_DESCRIPTION, _XP = 0x010E, {0x9C9B: "title", 0x9C9E: "keywords"}
"""The tags of Exif, and those in which Windows writes UTF-16."""
_CAMERAS_OWN = re.compile(
    r"(?:olympus|sony|minolta|kodak|digital camera|lead technologies|picture|default|untitled|dcim?|dsc|"
    r"maker:|screenshot|cof|exif_jpeg)\b.*|[\d\W_]*",
    re.IGNORECASE | re.DOTALL,
)
"""Descriptions that cameras and programs write by themselves."""
_MAX_XMP_BYTES = 1_000_000
_MAX_CHARACTERS = 5000


def captions(image: "Image") -> dict[str, str]:
    """Return `title`, `description` and `keywords` of an open picture, if given; XMP first, then IPTC and Exif."""
    found: dict[str, str] = {}
    for read in (_from_xmp, _from_iptc, _from_exif):
        try:
            told = list(read(image))
        except picture_errors():
            continue  # broken metadata says nothing about the picture
        for name, value in told:
            text = plain(value)
            if text and name not in found and not _CAMERAS_OWN.fullmatch(text):
                found[name] = text
    return found


def plain(text: str) -> str:
    """The printable characters and line breaks of a text, as many as are kept."""
    return "".join(c for c in text if c.isprintable() or c == "\n").strip()[:_MAX_CHARACTERS]


def read_xmp(data: bytes) -> list[tuple[str, str]]:
    """Return the properties in XMP with their values, those of the preferred names first. Raises ValueError."""
    elements = xmp_elements(data)
    if not elements:
        raise ValueError("This is no XMP.")
    names = list(_XMP_NAMES)
    values: list[tuple[int, str, str]] = []
    for element in elements:
        for tag, value in ((element.tag, _words(element)), *((str(k), str(v)) for k, v in element.attrib.items())):
            name = tag.rsplit("}", 1)[-1]
            if name in _XMP_NAMES:
                values.append((names.index(name), _XMP_NAMES[name], value))
    return [(name, value) for _, name, value in sorted(values, key=lambda each: each[0])]


def _words(element: "_Element") -> str:
    """The text of an element, or the items of the list in it, joined by commas."""
    # The tag of a comment is a function.
    elements = [one for one in element.iter() if isinstance(one.tag, str)]  # pyright: ignore[reportUnnecessaryIsInstance]
    items = [" ".join((one.text or "").split()) for one in elements]
    return ", ".join(item for item in items if item)


def _from_xmp(image: "Image") -> Iterator[tuple[str, str]]:
    packet: Any = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    data = packet.encode() if isinstance(packet, str) else packet
    if isinstance(data, bytes) and len(data) <= _MAX_XMP_BYTES:
        yield from (each for each in read_xmp(data.strip(b"\0 \n")) if each[0] in _CAPTIONS)


def _from_iptc(image: "Image") -> Iterator[tuple[str, str]]:
    from PIL import IptcImagePlugin

    opened: Any = image
    found: dict[Any, Any] = IptcImagePlugin.getiptcinfo(opened) or {}
    encoding = "utf-8" if found.get((1, 90)) == b"\x1b%G" else "latin-1"
    for key, name in _IPTC.items():
        values = found.get(key) or []
        items = [values] if isinstance(values, bytes) else values
        yield name, ", ".join(_decoded(item, encoding) for item in items)


def _decoded(item: bytes, encoding: str) -> str:
    """A text in UTF-8, which many programs write without saying so, or in the encoding that is said."""
    try:
        return item.decode()
    except UnicodeDecodeError:
        return item.decode(encoding, "replace")


def _from_exif(image: "Image") -> Iterator[tuple[str, str]]:
    exif = image.getexif()
    yield "description", _text(exif.get(_DESCRIPTION))
    for tag, name in _XP.items():
        value = exif.get(tag)
        if isinstance(value, bytes | tuple):
            text = bytes(value).decode("utf-16-le", "replace").rstrip("\0")
            yield name, text.replace(";", ", ")


def _text(value: object) -> str:
    """A text of Exif, which Pillow decodes as Latin-1, as the UTF-8 that many programs write."""
    text = value if isinstance(value, str) else ""
    try:
        return text.encode("latin-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text
