"""What is said is heard, whatever channel or track it is in."""

from pathlib import Path

import av  # noqa: TID253
import numpy as np
import pytest

from media.errors import UnsupportedMedia
from media.sound import SAMPLE_RATE, read_pieces

VOICE = (0.4 * np.sin(2 * np.pi * 300 * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)
NOISE = np.random.default_rng(1).normal(0, 0.2, len(VOICE)).astype(np.float32)
SILENCE = np.zeros_like(VOICE)


def sound(path: Path, channels: list[np.ndarray], layout: str) -> Path:
    with av.open(str(path), "w") as container:
        write(container, add(container, layout), channels, layout)
    return path


def add(container: av.container.OutputContainer, layout: str, language: str = "") -> av.audio.stream.AudioStream:
    stream = container.add_stream("pcm_s16le" if layout != "mono" else "flac", rate=SAMPLE_RATE, layout=layout)
    if language:
        stream.metadata["language"] = language
    return stream  # pyright: ignore


def write(container: av.container.OutputContainer, stream: object, channels: list[np.ndarray], layout: str) -> None:
    data = (np.stack(channels) * 32767).astype("<i2")
    frame = av.AudioFrame.from_ndarray(data.T.reshape(1, -1).copy(), format="s16", layout=layout)
    frame.sample_rate, frame.pts = SAMPLE_RATE, 0
    container.mux(stream.encode(frame))  # pyright: ignore
    container.mux(stream.encode(None))  # pyright: ignore


def likeness(path: Path, expected: np.ndarray, **wanted: object) -> float:
    """The correlation of what is heard with what should be."""
    heard = np.concatenate([piece.samples for piece in read_pieces(path, **wanted)])  # pyright: ignore
    return float(np.corrcoef(heard[: len(expected)], expected[: len(heard)])[0, 1]) if heard.any() else 0.0


@pytest.mark.parametrize(
    ("channels", "layout"),
    [
        ([VOICE, VOICE], "stereo"),
        ([VOICE, -VOICE], "stereo"),
        ([VOICE, SILENCE], "stereo"),
        ([-0.8 * VOICE, VOICE], "stereo"),
        ([NOISE, NOISE, VOICE, SILENCE, NOISE, NOISE], "5.1"),
        ([VOICE, VOICE, SILENCE, SILENCE, SILENCE, SILENCE], "5.1"),
    ],
)
def test_a_voice_is_heard_where_channels_cancel_and_in_the_centre(
    tmp_path: Path, channels: list[np.ndarray], layout: str
) -> None:
    assert abs(likeness(sound(tmp_path / "a.wav", channels, layout), VOICE)) > 0.99


def test_ordinary_stereo_is_the_mean_of_its_channels(tmp_path: Path) -> None:
    assert likeness(sound(tmp_path / "a.wav", [VOICE, NOISE], "stereo"), VOICE + NOISE) > 0.999


def test_a_single_channel_is_heard_when_asked_and_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = sound(tmp_path / "a.wav", [VOICE, NOISE], "stereo")
    assert likeness(path, NOISE, channel=1) > 0.99
    with pytest.raises(UnsupportedMedia, match="2 channels, and no channel 3"):
        list(read_pieces(path, channel=2))


@pytest.mark.parametrize(
    ("wanted", "voice"), [("", True), ("1", False), ("2", True), ("de", True), ("ger", True), ("en-GB", False)]
)
def test_the_default_track_is_heard_or_the_one_that_is_asked_for(tmp_path: Path, wanted: str, voice: bool) -> None:
    from av.stream import Disposition

    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        first, second = add(container, "mono", "eng"), add(container, "mono", "ger")
        first.disposition, second.disposition = Disposition(0), Disposition.default
        write(container, first, [NOISE], "mono")
        write(container, second, [VOICE], "mono")
    assert (likeness(path, VOICE, track=wanted) > 0.99) == voice
    with pytest.raises(UnsupportedMedia, match=r"no track in 'fr': its tracks are in eng, ger"):
        list(read_pieces(path, track="fr"))
    with pytest.raises(UnsupportedMedia, match="2 tracks of sound, and no track 3"):
        list(read_pieces(path, track="3"))
