"""The location in a picture or video is blanked, and nothing else of the file changes."""

import io
import struct
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from media.identify import identify
from media.location import Patch, apply_patches, drop_location, without_location
from media.sandbox import Decoders

LATITUDE = (48.0, 51.0, 29.5)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:title="Tower" exif:GPSLatitude="48,51.4916N">'
    b"<exif:GPSLongitude>2,17.6694E</exif:GPSLongitude></rdf:Description></x:xmpmeta>"
)


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = 6
    tags[0x010F] = "A camera of some make"
    gps = tags.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", LATITUDE, "E", (2.0, 17.0, 40.2)
    gps[29] = "2024:05:01"
    return tags


def picture(form: str, **options: object) -> bytes:
    noise = np.random.default_rng(3).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, form, **options)
    return file.getvalue()


def position_of(data: bytes) -> dict[int, object]:
    with Image.open(io.BytesIO(data)) as image:
        return dict(image.getexif().get_ifd(0x8825))


def pixels_of(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.tobytes()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_gps_directory_of_exif_is_blanked_and_all_else_stays(form: str) -> None:
    data = picture(form, exif=exif())
    assert position_of(data)[2] == LATITUDE
    cleaned = without_location(data, form.lower())
    assert position_of(cleaned) == {}
    assert b"2024:05:01" not in cleaned
    assert pixels_of(cleaned) == pixels_of(data)
    assert len(cleaned) == len(data)
    with Image.open(io.BytesIO(cleaned)) as image:
        assert (image.getexif()[0x0112], image.getexif()[0x010F]) == (6, "A camera of some make")


def test_the_gps_directory_of_a_tiff_is_blanked() -> None:
    structure = exif().tobytes().removeprefix(b"Exif\0\0")
    before, after = Image.Exif(), Image.Exif()
    before.load(structure)
    after.load(without_location(structure, "tiff"))
    assert before.get_ifd(0x8825)[2] == LATITUDE
    assert after.get_ifd(0x8825) == {}
    assert after[0x010F] == before[0x010F]


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG"])
def test_positions_in_xmp_are_blanked_and_its_title_stays(form: str) -> None:
    options: dict[str, object] = {"xmp": XMP}
    if form == "PNG":
        options = {"pnginfo": PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())  # type: ignore[attr-defined]
    data = picture(form, **options)
    assert b"51.4916N" in data
    cleaned = without_location(data, form.lower())
    assert b"51.4916N" not in cleaned
    assert b"17.6694E" not in cleaned
    assert b'dc:title="Tower"' in cleaned
    assert pixels_of(cleaned) == pixels_of(data)


def test_compressed_xmp_of_a_png_is_removed_entirely() -> None:
    information = PngInfo()
    information.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    information.add_text("Title", "Tower")
    cleaned = without_location(picture("PNG", pnginfo=information), "png")
    with Image.open(io.BytesIO(cleaned)) as image:
        image.load()
        assert image.info.keys() == {"Title"}


def test_the_position_in_a_video_is_blanked(tmp_path: Path) -> None:
    import av

    path = tmp_path / "film.mp4"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as film:
        film.metadata["location"] = "+48.8584+002.2945/"
        film.metadata["com.apple.quicktime.location.ISO6709"] = "+48.8584+002.2945+035.000/"
        sound = film.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), 0
        film.mux(sound.encode(frame))
        film.mux(sound.encode(None))
    before = identify(path, "film.mp4")
    assert b"48.8584" in path.read_bytes()
    assert drop_location(path, before.media_type)
    assert b"48.8584" not in path.read_bytes()
    assert identify(path, "film.mp4") == before
    assert not drop_location(path, before.media_type)


@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "tiff", "avif"])
def test_broken_files_raise_no_error(form: str) -> None:
    data = picture(form.upper(), exif=exif())
    noise = np.random.default_rng(5)
    for _ in range(200):
        broken = bytearray(data[: int(noise.integers(1, len(data)))])
        for at in noise.integers(0, len(broken), 20):
            broken[at] = int(noise.integers(0, 256))
        assert len(without_location(bytes(broken), form)) <= len(broken)


def test_the_sandbox_finds_the_places_and_only_they_are_written(tmp_path: Path) -> None:
    decoders = Decoders(count=1)
    try:
        for form in ("JPEG", "PNG", "AVIF"):
            data = picture(form, exif=exif())
            path = tmp_path / f"photo.{form.lower()}"
            path.write_bytes(data)
            assert decoders.drop_location(path, f"image/{form.lower()}")
            assert path.read_bytes() == without_location(data, form.lower()) != data
            assert not decoders.drop_location(path, f"image/{form.lower()}")
    finally:
        decoders.close()


def test_a_file_of_nothing_but_exif_headers_takes_no_time(tmp_path: Path) -> None:
    header = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1000) + struct.pack("<HHII", 0x8825, 4, 1, 8)
    hostile = b"\xff\xd8" + header * (28 * 1024 // len(header)) + bytes(14_000)
    began = time.process_time()
    without_location(hostile * 20, "jpeg")
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("patch", [Patch(-1, b"x"), Patch(8, b"xyz"), Patch(2**40, b"x")])
def test_a_patch_outside_of_the_file_is_refused(tmp_path: Path, patch: Patch) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with pytest.raises(ValueError, match="outside"):
        apply_patches(tmp_path / "file", [patch])
    assert (tmp_path / "file").read_bytes() == b"0123456789"
