"""Blank the location in pictures and videos, in place, leaving every other byte as it is.

Covers the GPS directory of Exif (JPEG, PNG, WebP, AVIF, TIFF), `exif:GPS…` in XMP, and the location boxes of QuickTime
and MP4. Nothing is re-encoded, so pixels and sound are unchanged.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from media.film_location import moov_without_location
from media.images.live_photos import appended_film

_GPS, _EXIF = 0x8825, 0x8769
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_MAX_ENTRIES = 1000
_MAX_EXIF_BLOCKS = 16
"""A picture has one or two; a file that is nothing but their headers would take for ever."""
_BLOCK, _MAX_PATCHES = 64 * 1024, 500
_MAX_PICTURE_BYTES = 300_000_000
_TIFF = re.compile(rb"Exif\0\0(?=II\*\0|MM\0\*)")
_XMP = re.compile(
    rb"(?P<name>(?:exif|drone-dji|GPano):[\w-]*(?:GPS|Gps|Latitude|Longitude)\w*)\s*"
    rb"(?:=\s*(?P<quote>[\"'])(?P<value>.*?)(?P=quote)|>(?P<text>[^<]{1,200})<)",
    re.DOTALL,
)
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"zTXt", b"iTXt", b"tEXt")
_PNG_METADATA_KEYWORDS = (
    b"XML:com.adobe.xmp",
    b"Raw profile type exif",
    b"Raw profile type APP1",
    b"Raw profile type xmp",
)


class Patch(NamedTuple):
    """Bytes to write at an offset of a file; `is_whole` if they are the whole file instead."""

    offset: int
    data: bytes
    is_whole: bool = False


def drop_location(path: Path, media_type: str) -> bool:
    """Blank the location in the file, in place; return whether there was one. For files that are trusted."""
    patches = location_patches(path, media_type)
    apply_patches(path, patches)
    return bool(patches)


def location_patches(path: Path, media_type: str) -> list[Patch]:
    """Return what to write to the file so that it has no location; nothing if it has none."""
    kind, _, form = media_type.partition("/")
    if kind == "image" and path.stat().st_size <= _MAX_PICTURE_BYTES:
        data = path.read_bytes()
        return _differences(data, _cleaned(data, form))
    if form not in ("mp4", "quicktime"):
        return []
    with path.open("rb") as file:
        return [Patch(at, moov) for at, moov in moov_without_location(file, 0)]


def apply_patches(path: Path, patches: Sequence[Patch]) -> None:
    """Write the patches to the file, which keeps its size unless one of them is the whole file."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        for patch in patches:
            if patch.is_whole:
                file.truncate(len(patch.data))
            elif patch.offset < 0 or patch.offset + len(patch.data) > size:
                raise ValueError("A patch lies outside of the file.")
            file.seek(patch.offset)
            file.write(patch.data)


def without_location(data: bytes, form: str) -> bytes:
    """Return the bytes of a picture without its location. `form` is the media subtype, such as jpeg or png."""
    return bytes(_cleaned(data, form))


def _cleaned(data: bytes, form: str) -> bytes | bytearray:
    if form == "png":
        return b"".join(_png_chunks(data))
    cleaned = bytearray(data)
    if form == "tiff":
        _blank_gps(cleaned, 0)
    for found in islice(_tiff_headers(data, form), _MAX_EXIF_BLOCKS):
        _blank_gps(cleaned, found)
    return _without_film_location(_without_xmp(cleaned))


def _without_film_location(data: bytearray) -> bytearray:
    """Blank the location in the film of a motion photo."""
    if (start := appended_film(data)) is not None:
        for at, moov in moov_without_location(io.BytesIO(data), start):
            data[at : at + len(moov)] = moov
    return data


def _differences(data: bytes, cleaned: bytes | bytearray) -> list[Patch]:
    """Return the blocks that differ; neighbours are one patch, and so are all if there are very many."""
    if len(data) != len(cleaned):
        return [Patch(0, bytes(cleaned), is_whole=True)]
    before, after = memoryview(data), memoryview(cleaned)
    starts = [at for at in range(0, len(data), _BLOCK) if before[at : at + _BLOCK] != after[at : at + _BLOCK]]
    if len(starts) > _MAX_PATCHES:
        return [Patch(starts[0], bytes(after[starts[0] : starts[-1] + _BLOCK]))]
    return [Patch(at, bytes(after[at : at + _BLOCK])) for at in starts]


def _tiff_headers(data: bytes, form: str) -> Iterator[int]:
    """Yield the offsets of the TIFF headers of Exif blocks."""
    yield from (found.end() for found in _TIFF.finditer(data))
    if form == "webp":  # where the Exif marker is optional
        for found in re.finditer(rb"EXIF....(?=II\*\0|MM\0\*)", data, re.DOTALL):
            yield found.end()


def _blank_gps(data: bytearray, start: int) -> None:
    """Blank the GPS directory, with its values, of the TIFF structure at offset `start`."""
    order = "<" if data.startswith(b"II", start) else ">"
    try:
        (first,) = struct.unpack_from(f"{order}I", data, start + 4)
        for at, tag in _entries(data, start, first, order):
            if tag == _GPS:
                (gps,) = struct.unpack_from(f"{order}I", data, at + 8)
                _blank_directory(data, start, gps, order)
    except struct.error:  # truncated
        return


def _blank_directory(data: bytearray, start: int, offset: int, order: str) -> None:
    for at, _ in list(_entries(data, start, offset, order)):
        kind, count, value = struct.unpack_from(f"{order}HII", data, at + 2)
        size = _TYPE_BYTES.get(kind, 1) * count
        if 4 < size <= 4096:
            _fill(data, start + value, size)
        _fill(data, at, 12)
    if start + offset + 2 <= len(data):
        _fill(data, start + offset, 2)  # no entries


def _entries(data: bytearray, start: int, offset: int, order: str) -> Iterator[tuple[int, int]]:
    """Yield the offset and tag of each entry of a directory."""
    (count,) = struct.unpack_from(f"{order}H", data, start + offset)
    for number in range(min(count, _MAX_ENTRIES)):
        at = start + offset + 2 + 12 * number
        yield at, struct.unpack_from(f"{order}H", data, at)[0]


def _fill(data: bytearray, at: int, size: int) -> None:
    end = min(at + size, len(data))
    if 0 <= at < end:
        data[at:end] = bytes(end - at)


def _without_xmp(data: bytearray) -> bytearray:
    """Blank the values of location attributes and elements in XMP packets."""
    if b"GPS" not in data and b"itude" not in data:
        return data
    for found in list(_XMP.finditer(data)):
        group = "value" if found["value"] is not None else "text"
        data[found.start(group) : found.end(group)] = b" " * (found.end(group) - found.start(group))
    return data


def _png_chunks(data: bytes) -> Iterator[bytes]:
    """Yield the chunks with the location in Exif and XMP blanked; drop text chunks with compressed Exif or XMP."""
    yield data[: len(_PNG)]
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        kind, body = data[at + 4 : at + 8], data[at + 8 : end - 4]
        if kind == b"eXIf":
            exif = bytearray(body)
            _blank_gps(exif, 0)
            yield _chunk(kind, bytes(exif)) if bytes(exif) != body else data[at:end]
        elif kind in _PNG_TEXTS and body.split(b"\0", 1)[0] in _PNG_METADATA_KEYWORDS:
            yield from _text_chunk(kind, body, data[at:end])
        else:
            yield data[at:end]
        at = end
    yield data[at:]


def _text_chunk(kind: bytes, body: bytes, whole: bytes) -> Iterator[bytes]:
    keyword, _, rest = body.partition(b"\0")
    if kind == b"iTXt" and rest[:1] == b"\0":
        text = bytes(_without_xmp(bytearray(body)))
        yield _chunk(kind, text) if text != body else whole
    elif keyword == b"XML:com.adobe.xmp" and kind == b"tEXt":
        yield whole


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
