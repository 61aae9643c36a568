"""Thumbnails and contact sheets look like the pictures that they are made of."""

import io

import pytest
from PIL import Image

from media.errors import UnreadableMedia
from media.pictures import contact_sheet, thumbnail, upright_rgb


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_thumbnail_fits_and_keeps_its_proportions() -> None:
    small = opened(thumbnail(encoded(Image.new("RGB", (1000, 500), "red")), side=100))
    assert (small.format, small.size) == ("JPEG", (100, 50))


def test_a_small_picture_is_not_enlarged() -> None:
    assert opened(thumbnail(encoded(Image.new("RGB", (8, 4))))).size == (8, 4)


def test_the_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the top of the scene is on the left
    photo = Image.new("RGB", (200, 100), "white")
    photo.paste("black", (0, 0, 100, 100))
    small = opened(thumbnail(encoded(photo, "JPEG", exif=exif)))
    assert small.size == (100, 200)
    assert small.convert("L").getpixel((50, 20)) < 50 < 200 < small.convert("L").getpixel((50, 180))


def test_16_bit_greyscale_is_not_clipped() -> None:
    deep = Image.new("I;16", (4, 4), 32768)
    assert upright_rgb(deep).getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    assert upright_rgb(Image.new(mode, (4, 4))).mode == "RGB"


def test_transparency_becomes_a_light_background() -> None:
    small = opened(thumbnail(encoded(Image.new("RGBA", (50, 50), (0, 0, 0, 0)))))
    assert min(small.getpixel((25, 25))) > 230


def test_a_contact_sheet_shows_the_pictures_in_order() -> None:
    colours = ["red", "lime", "blue", "red", "lime"]
    sheet = opened(contact_sheet([encoded(Image.new("RGB", (64, 64), c)) for c in colours], side=64, columns=3))
    assert sheet.size == (3 * 72 + 8, 2 * 72 + 8)
    strongest = [max(range(3), key=sheet.getpixel((40 + n % 3 * 72, 40 + n // 3 * 72)).__getitem__) for n in range(5)]
    assert strongest == [0, 1, 2, 0, 1]


def test_a_broken_picture_raises_unreadable_media() -> None:
    with pytest.raises(UnreadableMedia):
        thumbnail(encoded(Image.new("RGB", (500, 500)), "JPEG")[:300])
