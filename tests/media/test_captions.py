"""What people wrote about a picture into its file, as Lightroom, digiKam, exiftool and Windows write it."""

import struct
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from media.identify import identify
from tests.media.made.pictures import encoded, half_and_half, written
from tests.media.test_sidecars import XMP

CAPTIONS = ("title", "description", "keywords")


def iptc(*records: tuple[int, int, bytes]) -> bytes:
    """A JPEG with these records (dataset, number, value) in the block of Photoshop."""
    data = b"".join(struct.pack(">BBBH", 0x1C, kind, number, len(value)) + value for kind, number, value in records)
    data += b"\0" * (len(data) % 2)
    block = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(data)) + data
    jpeg = encoded(half_and_half(), "JPEG")
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def exif(**tags: object) -> bytes:
    made = Image.Exif()
    for tag, value in tags.items():
        made[int(tag.removeprefix("x"), 16)] = value
    return encoded(half_and_half(), "JPEG", exif=made.tobytes())


def png_with_xmp() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP)
    return encoded(half_and_half(), "PNG", pnginfo=info)


OF_XMP = {"title": "Größe", "keywords": "lake, boat"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (encoded(half_and_half(), "JPEG", xmp=XMP.encode()), OF_XMP),
        (encoded(half_and_half(), "WEBP", xmp=XMP.encode()), OF_XMP),
        (png_with_xmp(), OF_XMP),
        (iptc((2, 25, b"Matterhorn"), (2, 25, "Zürich".encode())), {"keywords": "Matterhorn, Zürich"}),
        (iptc((2, 120, "Zürich".encode("latin-1")), (2, 5, b"A lake")), {"title": "A lake", "description": "Zürich"}),
        (exif(x010E="Am See in Zürich".encode()), {"description": "Am See in Zürich"}),
        (exif(x9C9E="lake;boat\0".encode("utf-16-le")), {"keywords": "lake, boat"}),
        (exif(x010E="OLYMPUS DIGITAL CAMERA         "), {}),
        (exif(x010E="                               "), {}),
        (exif(x010E="DCIM\\100MEDIA\\DJI_0001.JPG"), {}),
        (encoded(half_and_half(), "JPEG", xmp=b"<x:xmpmeta"), {}),
        (iptc((2, 25, b"")), {}),
    ],
)
def test_title_description_and_keywords_are_properties(tmp_path: Path, data: bytes, told: dict[str, str]) -> None:
    found = identify(written(tmp_path, data), "IMG_0001").properties
    assert {name: value for name, value in found.items() if name in CAPTIONS} == told
