"""Near duplicates are told from different pictures by their gray miniatures."""

import io
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from media.images.likeness import ALIKE, SIDE, Miniature, likeness
from media.pictures import gray_miniature
from tests.paths import SAMPLES

PHOTOS = sorted(SAMPLES.glob("*.jpg"))


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()


def variants(image: Image.Image) -> Iterator[bytes]:
    """Half the size, a third of it, low quality, two crops, a crop that was made smaller, brighter, and gray."""
    width, height = image.size
    yield png(image.resize((width // 2, height // 2)))
    yield png(image.resize((width // 3, height // 3)))
    file = io.BytesIO()
    image.save(file, "jpeg", quality=20)
    yield file.getvalue()
    yield png(image.crop((width // 20, height // 20, width - width // 20, height - height // 20)))
    crop = image.crop((0, height // 12, int(width * 0.88), height))
    yield png(crop)
    yield png(crop.resize((crop.width // 2, crop.height // 2)))
    yield png(ImageEnhance.Brightness(image).enhance(1.2))
    yield png(image.convert("L"))


def miniature(picture: bytes) -> Miniature:
    return gray_miniature(picture, SIDE)


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_a_picture_is_like_its_variants(photo: Path) -> None:
    data = photo.read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        found = [likeness(miniature(data), miniature(variant)) for variant in variants(image.convert("RGB"))]
    assert min(found) >= ALIKE


def test_different_pictures_are_not_alike() -> None:
    miniatures = [miniature(path.read_bytes()) for path in PHOTOS]
    assert max(likeness(one, other) for one, other in combinations(miniatures, 2)) < ALIKE - 0.05


def test_even_pictures_and_slivers_are_like_nothing() -> None:
    even, sliver = (miniature(png(Image.new("RGB", size, "red"))) for size in ((300, 200), (2000, 1)))
    photo = miniature(PHOTOS[0].read_bytes())
    assert likeness(even, even) < 0
    assert likeness(sliver, photo) < ALIKE
