"""Pictures of phones, cameras and programs are pictures: full size, upright, in the colours that they were made in."""

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from media.errors import UnreadableMedia, UnsupportedMedia
from media.facts import CAPS, CONTENTS, Caps
from media.identify import identify
from media.reading.contents import Blobs
from media.reading.renditions import read_picture
from media.sandbox import Decoders
from tests.media.made.pictures import display_p3, dng, encoded, half_and_half, heic, psd, turned, written

RED, BLUE = (200, 30, 30), (30, 30, 200)
BURST = [Image.new("RGB", (64, 48), (20 * number, 0, 0)) for number in range(9)]


def float_tiff(channels: int) -> bytes:
    pixels = np.asarray(half_and_half()).astype(np.float32)[:, :, ::-1] / 255
    return cv2.imencode(".tiff", pixels if channels == 3 else np.ascontiguousarray(pixels[:, :, 2]))[1].tobytes()


def shown(path: Path) -> Image.Image:
    blobs = Blobs()
    extract = read_picture(path, blobs, CAPS)
    assert extract.shown
    return Image.open(io.BytesIO(blobs.kept[extract.shown.blob]))


def near(colour: object, wanted: tuple[int, int, int], by: int = 8) -> bool:
    assert isinstance(colour, tuple)
    return max(abs(one - other) for one, other in zip(colour, wanted, strict=True)) <= by


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("IMG_0417.HEIC", heic(half_and_half()), "image/heic"),
        ("burst.heics", heic(half_and_half(), save_all=True, append_images=BURST), "image/heic"),
        ("a.jxl", encoded(half_and_half(), "JXL"), "image/jxl"),
        ("a.jp2", encoded(half_and_half(), "JPEG2000"), "image/jp2"),
        ("a.psd", psd(half_and_half()), "image/vnd.adobe.photoshop"),
        ("a.ppm", encoded(half_and_half(), "PPM"), "image/x-portable-anymap"),
        ("two.jpg", encoded(half_and_half(), "MPO", save_all=True, append_images=BURST[:1]), "image/jpeg"),
        ("cmyk.jpg", encoded(half_and_half().convert("CMYK"), "JPEG"), "image/jpeg"),
        ("lzw.tiff", encoded(half_and_half(), "TIFF", compression="tiff_lzw"), "image/tiff"),
        ("float.tiff", float_tiff(3), "image/tiff"),
    ],
)
def test_a_picture_is_shown_in_its_colours_and_size(tmp_path: Path, name: str, data: bytes, media_type: str) -> None:
    path = written(tmp_path, data)
    facts = identify(path, name)
    assert (facts.media_type, facts.kind, facts.name) == (media_type, "image", name)
    assert (facts.properties["width"], facts.properties["height"]) == (64, 48)
    picture = shown(path)
    assert near(picture.getpixel((16, 24)), RED)
    assert near(picture.getpixel((48, 24)), BLUE)


def test_a_turned_iphone_photo_is_upright(tmp_path: Path) -> None:
    path = written(tmp_path, turned(heic(half_and_half()), 1))
    assert {"width": 48, "height": 64}.items() <= identify(path, "IMG_1.HEIC").properties.items()
    assert near(shown(path).getpixel((24, 16)), BLUE)


def test_a_raw_picture_is_developed_and_not_its_thumbnail(tmp_path: Path) -> None:
    path = written(tmp_path, dng(orientation=6))
    facts = identify(path, "DSC_1.dng")
    assert facts.media_type == "image/x-adobe-dng"
    assert facts.properties == {
        "width": 240,
        "height": 320,
        "animated": False,
        CONTENTS: True,
        "taken": "2015-06-01T12:30:00",
        "camera": "Test One",
    }
    picture = shown(path)
    assert picture.size == (240, 320)
    top, bottom = picture.getpixel((120, 80)), picture.getpixel((120, 240))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 2 * top[2]
    assert bottom[2] > 2 * bottom[0]
    with pytest.raises((UnreadableMedia, UnsupportedMedia)):
        identify(written(tmp_path, dng()[:60_000], "cut"), "cut.dng")


def test_a_raw_picture_without_colour_filters_is_developed(tmp_path: Path) -> None:
    linear = dng(64, 48).replace(struct.pack("<H", 32803), struct.pack("<H", 34892))
    assert shown(written(tmp_path, linear)).size == (64, 48)


def test_wide_gamut_colours_are_converted_for_the_screen(tmp_path: Path) -> None:
    path = written(tmp_path, encoded(half_and_half(), "JPEG", icc_profile=display_p3(), quality=95))
    assert identify(path, "p3.jpg").properties[CONTENTS] is True
    red = shown(path).getpixel((16, 24))
    assert isinstance(red, tuple)
    assert red[0] > 215  # more red than sRGB's 200: the same number is a stronger red on a wide-gamut screen


def test_a_panorama_is_taken_at_full_size_and_shown_smaller(tmp_path: Path) -> None:
    path = written(tmp_path, encoded(half_and_half((21_000, 3000)), "JPEG", quality=50))
    facts = identify(path, "panorama.jpg")
    assert (facts.properties["width"], facts.properties["height"], facts.properties[CONTENTS]) == (21_000, 3000, True)
    picture = shown(path)
    assert picture.size == (4096, 585)
    assert near(picture.getpixel((100, 300)), RED)


def test_a_picture_beyond_pillows_own_limit_is_taken_as_far_as_ours(tmp_path: Path) -> None:
    large = encoded(Image.new("L", (14_000, 13_500), 100), "JPEG", quality=50)
    path = written(tmp_path, large)
    assert identify(path, "wall.jpg").properties["width"] == 14_000
    assert max(shown(path).size) == 4096
    with pytest.raises(UnsupportedMedia, match="13500 pixels, and the limit is 50 million"):
        identify(path, "wall.jpg", Caps(image_pixels=50_000_000, scaled_image_pixels=50_000_000))


def test_pages_and_frames_have_places(tmp_path: Path) -> None:
    pages = written(
        tmp_path, encoded(half_and_half(), "TIFF", save_all=True, append_images=[half_and_half() for _ in range(2)])
    )
    animation = written(tmp_path, encoded(half_and_half(), "GIF", save_all=True, append_images=BURST), "b")
    places = [[frame.place for frame in read_picture(path, Blobs(), CAPS).frames] for path in (pages, animation)]
    assert places == [["page=2", "page=3"], ["frame=3", "frame=5", "frame=7", "frame=9"]]


def test_the_time_and_the_camera_are_properties(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Apple", "iPhone 12", 6
    exif.get_ifd(0x8769).update({0x9003: "2015:06:01 12:30:00", 0x9011: "+02:00"})
    facts = identify(written(tmp_path, encoded(half_and_half(), "JPEG", exif=exif)), "a.jpg")
    assert facts.properties["taken"] == "2015-06-01T12:30:00+02:00"
    assert (facts.properties["camera"], facts.properties["orientation"]) == ("Apple iPhone 12", 6)
    assert facts.properties["width"] == 48


def test_the_sandbox_gives_the_copy_and_its_size(tmp_path: Path) -> None:
    decoders = Decoders(count=1)
    path = written(tmp_path, heic(half_and_half()))
    try:
        extract, blobs = decoders.read(path, decoders.identify(path, "a.heic").media_type)
        with pytest.raises(UnreadableMedia):
            decoders.read(written(tmp_path, heic(half_and_half())[:400], "cut"), "image/heic")
    finally:
        decoders.close()
    assert extract.shown
    with Image.open(io.BytesIO(blobs[extract.shown.blob])) as picture:
        assert (picture.format, picture.size) == ("JPEG", (64, 48))
