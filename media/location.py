"""Location: where a picture or a film was made, blanked out where it stands in the file; all else stays, byte for byte.

Known places: the GPS part of Exif (JPEG, PNG, WebP, AVIF, TIFF), `exif:GPS…` in XMP, and the positions in QuickTime and
MP4 files. Nothing is decoded and nothing moves, so pixels and sound are the very same.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_GPS, _EXIF = 0x8825, 0x8769
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_MOST_ENTRIES = 1000
_LARGEST_PICTURE = 300_000_000
_LARGEST_INDEX = 64_000_000
_TIFF = re.compile(rb"Exif\0\0(?=II\*\0|MM\0\*)")
_XMP = re.compile(
    rb"(?P<name>(?:exif|drone-dji|GPano):[\w-]*(?:GPS|Gps|Latitude|Longitude)\w*)\s*"
    rb"(?:=\s*(?P<quote>[\"'])(?P<value>.*?)(?P=quote)|>(?P<text>[^<]{1,200})<)",
    re.DOTALL,
)
_POSITION = re.compile(rb"[+-]\d{1,2}\.\d{2,}[+-]\d{1,3}\.\d{2,}(?:[+-]\d+(?:\.\d+)?)?(?:CRS[\w-]*)?/")
_POSITION_BOXES = (b"\xa9xyz", b"loci")
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"zTXt", b"iTXt", b"tEXt")
_PNG_HIDING = (b"XML:com.adobe.xmp", b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type xmp")


def drop_location(path: Path, media_type: str) -> bool:
    """Blank the location in the file, in place; whether there was one."""
    kind, _, form = media_type.partition("/")
    if kind == "image" and path.stat().st_size <= _LARGEST_PICTURE:
        data = path.read_bytes()
        cleaned = without_location(data, form)
        if cleaned != data:
            path.write_bytes(cleaned)
        return cleaned != data
    return form in ("mp4", "quicktime") and _drop_from_index(path)


def without_location(data: bytes, form: str) -> bytes:
    """The bytes of a picture of this form (jpeg, png, webp, avif, tiff, …) without the place where it was taken."""
    if form == "png":
        return b"".join(_png_chunks(data))
    cleaned = bytearray(data)
    if form == "tiff":
        _blank_gps(cleaned, 0)
    for found in _headers(data, form):
        _blank_gps(cleaned, found)
    return bytes(_without_xmp(cleaned))


def _headers(data: bytes, form: str) -> Iterator[int]:
    """Where TIFF headers of Exif parts begin."""
    yield from (found.end() for found in _TIFF.finditer(data))
    if form == "webp":  # which may leave out the marker
        for found in re.finditer(rb"EXIF....(?=II\*\0|MM\0\*)", data, re.DOTALL):
            yield found.end()


def _blank_gps(data: bytearray, start: int) -> None:
    """Blank the GPS directory of the TIFF structure that begins at `start`, with all its values."""
    order = "<" if data.startswith(b"II", start) else ">"
    try:
        (first,) = struct.unpack_from(f"{order}I", data, start + 4)
        for at, tag in _entries(data, start, first, order):
            if tag == _GPS:
                (gps,) = struct.unpack_from(f"{order}I", data, at + 8)
                _blank_directory(data, start, gps, order)
    except struct.error:  # it ends before its directory does
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
    """Position and tag of the entries of a directory."""
    (count,) = struct.unpack_from(f"{order}H", data, start + offset)
    for number in range(min(count, _MOST_ENTRIES)):
        at = start + offset + 2 + 12 * number
        yield at, struct.unpack_from(f"{order}H", data, at)[0]


def _fill(data: bytearray, at: int, size: int) -> None:
    end = min(at + size, len(data))
    if 0 <= at < end:
        data[at:end] = bytes(end - at)


def _without_xmp(data: bytearray) -> bytearray:
    """Blank `exif:GPS…` attributes and elements of XMP packets."""
    if b"GPS" not in data and b"itude" not in data:
        return data
    for found in list(_XMP.finditer(data)):
        group = "value" if found["value"] is not None else "text"
        data[found.start(group) : found.end(group)] = b" " * (found.end(group) - found.start(group))
    return data


def _png_chunks(data: bytes) -> Iterator[bytes]:
    """The chunks, with Exif and XMP blanked; texts that hold one compressed are left out."""
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
        elif kind in _PNG_TEXTS and body.split(b"\0", 1)[0] in _PNG_HIDING:
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


def _drop_from_index(path: Path) -> bool:
    """Blank the position in the `moov` box of an MP4 or QuickTime file."""
    with path.open("r+b") as file:
        for at, size in _top_boxes(path, b"moov"):
            file.seek(at)
            index = file.read(min(size, _LARGEST_INDEX))
            cleaned = _without_positions(index)
            if cleaned != index:
                file.seek(at)
                file.write(cleaned)
                return True
    return False


def _without_positions(index: bytes) -> bytes:
    """The index with its boxes of positions made free space, and those among other metadata blank."""
    cleaned = bytearray(index)
    for found in re.finditer(b"|".join(_POSITION_BOXES), index):
        (size,) = struct.unpack_from(">I", index, max(found.start() - 4, 0))
        if 8 < size <= 4096:
            cleaned[found.start() : found.end()] = b"free"
            _fill(cleaned, found.end(), size - 8)
    if b"location.ISO6709" not in index:
        return bytes(cleaned)
    return _POSITION.sub(lambda found: b" " * len(found[0]), bytes(cleaned))


def _top_boxes(path: Path, wanted: bytes) -> Iterator[tuple[int, int]]:
    """Position and size of the outermost boxes of this type."""
    at, end = 0, path.stat().st_size
    with path.open("rb") as file:
        while at + 8 <= end:
            file.seek(at)
            size, kind = struct.unpack(">I4s", file.read(8))
            if size == 1:
                longer = file.read(8)
                size = struct.unpack(">Q", longer)[0] if len(longer) == 8 else 0
            size = end - at if size == 0 else size
            if kind == wanted:
                yield at, size
            if size < 8:
                return
            at += size
