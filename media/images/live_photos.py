"""Live photos: the identifier that a picture shares with its film, and the film that is appended to a motion photo.

Apple writes the same content identifier into the maker note of the picture and the metadata of the film. Google's
motion photos hold the film after the picture, and XMP says where.
"""

import re
import struct
from typing import TYPE_CHECKING

from media.images.xmp import xmp_elements

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage]

LIVE_PHOTO = "live_photo"
"""The property that a picture and its film have in common."""
MAX_FILM_BYTES = 100_000_000
_APPLE = b"Apple iOS\0"
_CONTENT_IDENTIFIER, _ASCII = 0x11, 2
_MAX_ENTRIES = 200
_IDENTIFIER = re.compile(r"[0-9A-Za-z-]{8,64}")
_MAX_XMP_BYTES = 200_000


def apple_identifier(maker_note: object) -> str:
    """Return the content identifier in an Apple maker note, whose directory is big-endian; empty without one."""
    if not isinstance(maker_note, bytes) or not maker_note.startswith(_APPLE):
        return ""
    try:
        (count,) = struct.unpack_from(">H", maker_note, 14)
        for number in range(min(count, _MAX_ENTRIES)):
            tag, kind, length, offset = struct.unpack_from(">HHII", maker_note, 16 + 12 * number)
            if (tag, kind) == (_CONTENT_IDENTIFIER, _ASCII):
                return checked_identifier(maker_note[offset : offset + length].decode("ascii", "replace"))
    except struct.error:  # truncated
        pass
    return ""


def checked_identifier(value: str) -> str:
    """Return an identifier in capitals; empty if it is none."""
    plain = value.strip("\0 ")
    return plain.upper() if _IDENTIFIER.fullmatch(plain) else ""


def appended_film(data: bytes | bytearray) -> int | None:
    """Return the offset of the MP4 film at the end of a motion photo (JPEG or HEIC); None without one."""
    start = data.find(b"<x:xmpmeta")
    end = data.find(b"</x:xmpmeta>", start, start + _MAX_XMP_BYTES) if start >= 0 else -1
    length = _film_bytes(bytes(data[start:end]) + b"</x:xmpmeta>") if end >= 0 else 0
    at = len(data) - length
    return at if 0 < length <= MAX_FILM_BYTES and at > 0 and data[at + 4 : at + 8] == b"ftyp" else None


def _film_bytes(xmp: bytes) -> int:
    """Return how many bytes before the end of the file the film begins; 0 if the XMP names no film.

    The items of a container follow each other: the picture, further pictures such as a gain map, the film.
    """
    items = [_attributes(element) for element in xmp_elements(xmp)]
    following, is_film = 0, False
    for item in items:
        is_film = is_film or item.get("Semantic") == "MotionPhoto"
        following += _number(item.get("Length")) if is_film else 0
    return following or max((_number(item.get("MicroVideoOffset")) for item in items), default=0)


def _attributes(element: "_Element") -> dict[str, str]:
    return {str(name).rpartition("}")[2]: str(value) for name, value in element.attrib.items()}


def _number(value: str | None) -> int:
    return int(value) if value and re.fullmatch(r"\d{1,12}", value) else 0
