"""Text in pictures is read, with where it stands; pictures without text have none."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from flows.running.platform import Platform
from media.errors import UnreadableMedia
from modalities.contract import no_progress
from modalities.ocr.requests import ReadText, WrittenText
from storage.artifacts import ArtifactStore
from tests.media.made.pictures import encoded
from tests.paths import SAMPLES


def drawn(lines: list[str], size: int = 60) -> bytes:
    page = Image.new("RGB", (1200, 160 + 2 * size * len(lines)), "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(page).text((80, 80 + 2 * size * number), line, fill="black", font_size=size)
    return encoded(page, "PNG")


@pytest.fixture(scope="module")
def answers(platform: Platform) -> list[object]:
    """What the operator reads in a sign, a dense page, a photo without text, a photo with a sign, and no picture."""
    store = ArtifactStore(platform.bucket, "test-ocr")
    pictures = [
        drawn(["Geöffnet: 9 Uhr", "Rechnung Nr. 2024-0815"]),
        drawn([f"Item {number}: the menu of a screenshot" for number in range(20)], 24),
        (SAMPLES / "dog-and-hydrant.jpg").read_bytes(),
        (SAMPLES / "stop-sign.jpg").read_bytes(),
        Path(__file__).read_bytes(),
    ]
    requests = [ReadText(model="rapidocr", image=store.put(data, "image/png")) for data in pictures]
    with platform.pool.operator("rapidocr") as operator:
        return list(operator(requests, store, no_progress))


def test_the_weights_are_loaded_once_and_before_the_first_picture(platform: Platform) -> None:
    """Or the memory that the model is admitted by would be less than it needs."""
    with platform.pool.operator("rapidocr") as operator:
        weights = [(engine.text_det.session, engine.text_rec.session) for engine in (operator._sparse, operator._dense)]
        sides = [engine.text_det.limit_side_len for engine in (operator._sparse, operator._dense)]
    assert weights[0] == weights[1]
    assert None not in weights[0]
    assert sides[0] < sides[1]


def test_a_sign_is_read_with_its_place(answers: list[object]) -> None:
    sign = answers[0]
    assert isinstance(sign, WrittenText)
    assert sign.text.splitlines()[1] == "Rechnung Nr. 2024-0815"
    assert "ffnet: 9 Uhr" in sign.text
    left, top, width, height = sign.lines[1].box
    assert 4 < left < 9
    assert 50 < top < 65
    assert 40 < width < 70
    assert 8 < height < 30


def test_a_dense_page_is_read_whole_and_what_has_no_text_has_none(answers: list[object]) -> None:
    page, dog, stop, broken = answers[1:]
    assert isinstance(page, WrittenText)
    assert len(page.lines) == 20
    assert page.lines[7].text == "Item 7: the menu of a screenshot"
    assert dog == WrittenText(lines=())
    assert isinstance(stop, WrittenText)
    assert stop.text == "STOP"
    assert isinstance(broken, UnreadableMedia)
