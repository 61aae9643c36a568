"""The picture and the film of a live photo tell what they have in common; a motion photo has its film inside."""

from pathlib import Path

import pytest

from media.facts import CAPS, CONTENTS
from media.identify import identify
from media.images.live_photos import apple_identifier
from media.location import drop_location
from media.read import read_contents
from tests.media.made.films import film
from tests.media.made.live_photos import CONTAINER, MICRO_VIDEO, apple_live_photo, motion_photo
from tests.media.made.pictures import encoded, half_and_half, written

IDENTIFIER = "1F2E3D4C-0000-4000-8000-00805F9B34FB"


def test_the_picture_and_the_film_of_a_live_photo_have_one_identifier(tmp_path: Path) -> None:
    for path in apple_live_photo(tmp_path, half_and_half(), IDENTIFIER, [(200, 0, 0)]):
        assert identify(path, path.name).properties["live_photo"] == IDENTIFIER


@pytest.mark.parametrize(
    "note", [None, b"", b"Nikon\0", b"Apple iOS\0\0\x01MM", b"Apple iOS\0\0\x01MM\xff\xff" + bytes(50)]
)
def test_other_maker_notes_have_none(note: bytes | None) -> None:
    assert apple_identifier(note) == ""


@pytest.mark.parametrize("xmp", [CONTAINER, MICRO_VIDEO])
def test_a_motion_photo_has_its_film_inside_without_its_location(tmp_path: Path, xmp: str) -> None:
    place = {"com.apple.quicktime.location.ISO6709": "+48.8584+002.2945/"}
    appended = film(tmp_path / "a.mp4", [(200, 0, 0)], metadata=place).read_bytes()
    path = written(tmp_path, motion_photo(half_and_half(), appended, xmp))
    facts = identify(path, "PXL.MP.jpg")
    assert (facts.media_type, facts.properties[CONTENTS]) == ("image/jpeg", True)
    assert str(facts.properties["live_photo"]).startswith("MOTION-")
    assert drop_location(path, facts.media_type)
    extract, blobs = read_contents(path, facts.media_type, CAPS)
    assert extract.motion
    assert extract.shown
    kept = blobs[extract.motion.blob]
    assert len(kept) == len(appended)
    assert b"+48.8584" not in kept
    assert identify(written(tmp_path, kept, "kept"), "kept.mp4").media_type == "video/mp4"


@pytest.mark.parametrize("xmp", [CONTAINER.replace("{length}", "9999999"), "<x:xmpmeta>", "<x:xmpmeta></x:xmpmeta>"])
def test_a_picture_that_only_says_so_has_no_film(tmp_path: Path, xmp: str) -> None:
    path = written(tmp_path, encoded(half_and_half(), "JPEG", xmp=xmp.encode()))
    properties = identify(path, "a.jpg").properties
    assert not {"live_photo", CONTENTS} & properties.keys()
