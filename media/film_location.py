"""Blank the location in the boxes of MP4 and QuickTime films, whose size stays as it is."""

import os
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

_MAX_MOOV_BYTES = 64_000_000
_POSITION = re.compile(rb"[+-]\d{1,2}\.\d{2,}[+-]\d{1,3}\.\d{2,}(?:[+-]\d+(?:\.\d+)?)?(?:CRS[\w-]*)?/")
_POSITION_BOXES = re.compile(rb"\xa9xyz|loci")


def moov_without_location(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and the cleaned bytes of each `moov` box with a location, of the film that begins at `start`."""
    for at, size in _top_boxes(file, start, b"moov"):
        file.seek(at)
        moov = file.read(min(size, _MAX_MOOV_BYTES))
        cleaned = _without_location_boxes(moov)
        if cleaned != moov:
            yield at, cleaned


def _without_location_boxes(moov: bytes) -> bytes:
    """Turn location boxes into `free` boxes, and blank ISO 6709 positions in other metadata."""
    cleaned = bytearray(moov)
    for found in _POSITION_BOXES.finditer(moov):
        (size,) = struct.unpack_from(">I", moov, max(found.start() - 4, 0))
        if 8 < size <= 4096:
            end = min(found.start() - 4 + size, len(cleaned))
            cleaned[found.start() : found.end()] = b"free"
            cleaned[found.end() : end] = bytes(max(end - found.end(), 0))
    if b"location.ISO6709" not in moov:
        return bytes(cleaned)
    return _POSITION.sub(lambda found: b" " * len(found[0]), bytes(cleaned))


def _top_boxes(file: BinaryIO, at: int, wanted: bytes) -> Iterator[tuple[int, int]]:
    """Yield the offset and size of each top-level box of a type."""
    end = file.seek(0, os.SEEK_END)
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
