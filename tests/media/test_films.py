"""Films with and without sound are films: their scenes have frames with times, upright, and a poster."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.audio.files import encode_whole
from media.errors import UnreadableMedia
from media.facts import CONTENTS
from media.identify import identify
from media.reading.contents import Blobs
from media.reading.films import read_film
from media.recordings.added_track import add_track
from tests.media.made.films import film, turned_film
from tests.media.made.pictures import half_and_half, written

SCENES = [(0, 0, 0), (200, 0, 0), (0, 0, 200), (0, 160, 0)]


@pytest.mark.parametrize(
    ("name", "codec", "sound", "media_type"),
    [
        ("silent.mp4", "mpeg4", False, "video/mp4"),
        ("sound.mp4", "libx264", True, "video/mp4"),
        ("silent.mkv", "mpeg4", False, "video/x-matroska"),
        ("vp9.webm", "libvpx-vp9", True, "video/webm"),
        ("old.avi", "mpeg4", False, "video/x-msvideo"),
    ],
)
def test_a_film_is_seen_by_its_scenes(tmp_path: Path, name: str, codec: str, sound: bool, media_type: str) -> None:
    path = film(tmp_path / name, SCENES, codec=codec, sound=sound)
    facts = identify(path, name)
    assert (facts.media_type, facts.kind) == (media_type, "speech")
    seen = {"has_video": True, "width": 160, "height": 120, CONTENTS: True} | ({} if sound else {"has_sound": False})
    assert seen.items() <= facts.properties.items()
    assert facts.properties["duration_seconds"] == pytest.approx(8, abs=0.2)
    blobs = Blobs()
    extract = read_film(path, blobs)
    times = [float(frame.place.removeprefix("t=")) for frame in extract.frames]
    assert times == pytest.approx([0, 2, 4, 6], abs=0.3)
    assert extract.shown
    with Image.open(io.BytesIO(blobs.kept[extract.shown.blob])) as poster:  # not the black one
        assert poster.convert("RGB").getpixel((80, 60))[0] > 150  # pyright: ignore


def test_a_film_of_an_upright_phone_is_upright(tmp_path: Path) -> None:
    path = turned_film(film(tmp_path / "a.mp4", [half_and_half((160, 120))]))
    assert {"width": 120, "height": 160}.items() <= identify(path, "a.mp4").properties.items()
    blobs = Blobs()
    read_film(path, blobs)
    with Image.open(io.BytesIO(blobs.kept[0])) as frame:
        top, bottom = (frame.convert("RGB").getpixel((60, y)) for y in (30, 130))
    assert top[0] > 2 * top[2]  # pyright: ignore
    assert bottom[2] > 2 * bottom[0]  # pyright: ignore


def test_when_it_was_filmed_is_a_property(tmp_path: Path) -> None:
    told = {"com.apple.quicktime.creationdate": "2015-06-01T12:30:00+0200", "com.apple.quicktime.model": "iPhone 12"}
    properties = identify(film(tmp_path / "a.mov", SCENES[:1], metadata=told), "a.mov").properties
    assert (properties["taken"], properties["camera"]) == ("2015-06-01T12:30:00+02:00", "iPhone 12")


def test_a_container_without_sound_and_pictures_is_refused(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", SCENES[:1])
    data = path.read_bytes()
    begin, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    path.write_bytes(data[:begin] + bytes(end - begin) + data[end:])
    with pytest.raises(UnreadableMedia):
        identify(path, "a.mp4")


def test_a_track_is_added_and_what_there_was_stays(tmp_path: Path) -> None:
    import av

    path = turned_film(film(tmp_path / "a.mp4", SCENES, codec="libx264", sound=True))
    (tmp_path / "voice.m4a").write_bytes(encode_whole([np.full(24_000, 0.1, np.float32)], 24_000, "m4a"))
    media_type, made = add_track(path, tmp_path / "voice.m4a", "eng")
    assert media_type == "video/mp4"
    before, after = (identify(each, "a.mp4").properties for each in (path, written(tmp_path, made)))
    assert after == before
    with av.open(io.BytesIO(made)) as container:
        languages = [stream.metadata["language"] for stream in container.streams.audio]
        assert languages == ["und", "eng"]
        assert container.streams.audio[1].duration == 24_000
