"""Pictures in the formats of cameras, phones and programs, made for tests."""

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from media.images.formats import register_formats


def half_and_half(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, (200, 30, 30))
    image.paste((30, 30, 200), (size[0] // 2, 0, *size))
    return image


def heic(image: Image.Image, **options: object) -> bytes:
    register_formats()
    return encoded(image, "HEIF", quality=90, **options)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    register_formats()
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(heif: bytes, quarter_turns: int) -> bytes:
    """Add the property `irot` to a HEIF of one picture: so many quarter turns against the clock."""
    ipco, ipma, meta, iprp = (heif.index(name) for name in (b"ipco", b"ipma", b"meta", b"iprp"))
    box = struct.pack(">I4sB", 9, b"irot", quarter_turns)
    size = struct.unpack(">I", heif[ipco - 4 : ipco])[0]
    end = ipco - 4 + size
    count = 0
    at = ipco + 4
    while at < end:
        at += struct.unpack(">I", heif[at : at + 4])[0]
        count += 1
    data = bytearray(heif)
    associations = ipma + 4 + 4 + 4 + 2  # version and flags, number of items, the item's id
    data[associations] += 1
    data[associations + 1 : associations + 1] = b""
    last = associations + 1 + data[associations] - 1
    data[last:last] = bytes([0x80 | (count + 1)])
    data[end:end] = box
    for start, grown in ((ipco, 9), (ipma + 9, 1), (iprp, 10), (meta, 10)):
        old = struct.unpack(">I", data[start - 4 : start])[0]
        data[start - 4 : start] = struct.pack(">I", old + grown)
    _shift_locations(data, 10)
    return bytes(data)


def _shift_locations(data: bytearray, by: int) -> None:
    """Move the extents of `iloc` (version 0 or 1, offsets of 4 bytes), which lie behind what was put in."""
    iloc = data.index(b"iloc")
    version, sizes = data[iloc + 4], data[iloc + 8]
    (items,) = struct.unpack(">H", data[iloc + 10 : iloc + 12])
    base_size = data[iloc + 9] >> 4
    assert sizes == 0x44
    at = iloc + 12
    for _ in range(items):
        at += 2 + (2 if version else 0) + 2 + base_size
        (extents,) = struct.unpack(">H", data[at : at + 2])
        at += 2
        for _ in range(extents):
            (offset,) = struct.unpack(">I", data[at : at + 4])
            data[at : at + 4] = struct.pack(">I", offset + by)
            at += 8


def display_p3() -> bytes:
    """A colour profile of a wide-gamut screen: sRGB's with other primaries."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for tag, xyz in zip(
        (b"rXYZ", b"gXYZ", b"bXYZ"),
        ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)),
        strict=True,
    ):
        entry = profile.index(tag)
        (offset,) = struct.unpack(">I", profile[entry + 4 : entry + 8])
        profile[offset + 8 : offset + 20] = struct.pack(">3i", *(round(value * 65536) for value in xyz))
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be")).replace(b"sRGB", b"wide")


def dng(width: int = 320, height: int = 240, orientation: int = 1) -> bytes:
    """The raw picture of a camera (16 bits, RGGB) whose left half is red, with a thumbnail of 16 × 12 grey pixels."""
    scene = np.zeros((height, width), np.uint16) + 800
    scene[0::2, 0::2][:, : width // 4] = 12_000  # red
    scene[1::2, 1::2][:, width // 4 :] = 12_000  # blue
    thumbnail = bytes([128]) * (16 * 12 * 3)
    first: list[tuple[int, int, tuple[int, ...] | bytes]] = [
        *((0x00FE, 4, (1,)), (0x0100, 4, (16,)), (0x0101, 4, (12,)), (0x0102, 3, (8, 8, 8)), (0x0103, 3, (1,))),
        *((0x0106, 3, (2,)), (0x010F, 2, b"Test\0"), (0x0110, 2, b"Test One\0"), (0x0111, 4, (-1,))),
        *((0x0112, 3, (orientation,)), (0x0115, 3, (3,)), (0x0116, 4, (12,)), (0x0117, 4, (len(thumbnail),))),
        *((0x0132, 2, b"2015:06:01 12:30:00\0"), (0x014A, 4, (-2,)), (0xC612, 1, (1, 4, 0, 0))),
        *((0xC614, 2, b"Test One\0"), (0xC621, 10, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1))),
        *((0xC628, 5, (1, 1, 1, 1, 1, 1)), (0xC65A, 3, (21,))),
    ]
    pixels = scene.tobytes()
    second: list[tuple[int, int, tuple[int, ...] | bytes]] = [
        *((0x00FE, 4, (0,)), (0x0100, 4, (width,)), (0x0101, 4, (height,)), (0x0102, 3, (16,)), (0x0103, 3, (1,))),
        *((0x0106, 3, (32803,)), (0x0111, 4, (-1,)), (0x0115, 3, (1,)), (0x0116, 4, (height,))),
        *((0x0117, 4, (len(pixels),)), (0x828D, 3, (2, 2)), (0x828E, 1, (0, 1, 1, 2))),
        *((0xC61A, 3, (0,)), (0xC61D, 3, (16_000,))),
    ]
    size_of_first = _ifd_size(first)
    size_of_second = _ifd_size(second)
    second_at = 8 + size_of_first
    thumbnail_at = second_at + size_of_second
    pixels_at = thumbnail_at + len(thumbnail)
    return b"".join(
        (
            struct.pack("<2sHI", b"II", 42, 8),
            _ifd(first, 8, {-1: thumbnail_at, -2: second_at}),
            _ifd(second, second_at, {-1: pixels_at}),
            thumbnail,
            pixels,
        )
    )


_SIZES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "I", 10: "i"}


def _value(kind: int, values: tuple[int, ...] | bytes, places: dict[int, int]) -> bytes:
    if isinstance(values, bytes):
        return values
    return struct.pack(f"<{len(values)}{_SIZES[kind]}", *(places.get(v, v) if kind == 4 else v for v in values))


def _count(kind: int, values: tuple[int, ...] | bytes) -> int:
    return len(values) // (2 if kind in (5, 10) else 1)


def _ifd_size(entries: list[tuple[int, int, tuple[int, ...] | bytes]]) -> int:
    placed = {-1: 0, -2: 0}
    return (
        6
        + 12 * len(entries)
        + sum(len(v) + len(v) % 2 for _, kind, value in entries if len(v := _value(kind, value, placed)) > 4)
    )


def _ifd(entries: list[tuple[int, int, tuple[int, ...] | bytes]], at: int, places: dict[int, int]) -> bytes:
    head, tail = struct.pack("<H", len(entries)), b""
    tail_at = at + 6 + 12 * len(entries)
    for tag, kind, value in entries:
        data = _value(kind, value, places)
        if len(data) > 4:
            field, tail = struct.pack("<I", tail_at + len(tail)), tail + data + bytes(len(data) % 2)
        else:
            field = data.ljust(4, b"\0")
        head += struct.pack("<HHI", tag, kind, _count(kind, value)) + field
    return head + struct.pack("<I", 0) + tail


def psd(image: Image.Image) -> bytes:
    """A Photoshop file: its composite, uncompressed, and no layers."""
    width, height = image.size
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, height, width, 8, 3)
    return (
        header
        + struct.pack(">III", 0, 0, 0)
        + struct.pack(">H", 0)
        + b"".join(band.tobytes() for band in image.split())
    )


def written(folder: Path, data: bytes, name: str = "upload") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
