"""What is said is heard, whatever channel or track it is in."""

from pathlib import Path

import av  # noqa: TID253
import numpy as np
import pytest

from media.audio.sound import SAMPLE_RATE
from media.errors import UnsupportedMedia
from media.recordings.pieces import count_windows, read_window

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
    heard = read_window(path, 0, **wanted).samples  # pyright: ignore
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
        read_window(path, 0, channel=2)


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
        read_window(path, 0, track="fr")
    with pytest.raises(UnsupportedMedia, match="2 tracks of sound, and no track 3"):
        read_window(path, 0, track="3")


def clicks(seconds: int) -> np.ndarray:
    """Noise that is quiet for half a second around each tenth second, and whose loudness says which second it is."""
    time = np.arange(seconds * SAMPLE_RATE) / SAMPLE_RATE
    level = 0.05 + 0.4 * (time // 1 % 37) / 37
    return np.where(time % 10 < 0.5, 0.0005, level) * np.random.default_rng(2).uniform(-1, 1, len(time))


@pytest.mark.parametrize(
    ("ending", "codec"), [("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("mkv", "aac")]
)
def test_pieces_read_in_any_order_are_the_recording_without_gap_or_overlap(
    tmp_path: Path, ending: str, codec: str
) -> None:
    whole = clicks(200).astype(np.float32)
    path = tmp_path / f"a.{ending}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=SAMPLE_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((whole * 32767).astype("<i2")[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, 0
        size = stream.codec_context.frame_size or 0
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=SAMPLE_RATE, frame_size=size)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            container.mux(stream.encode(part))  # pyright: ignore
    numbers = range(count_windows(200.0))
    pieces = {number: read_window(path, number) for number in reversed(numbers)}
    assert [pieces[number].is_last for number in numbers] == [False, False, False, False, True]
    assert pieces[4].end_seconds == pytest.approx(200.0, abs=0.15)
    assert read_window(path, 5).samples.size == 0
    for number in numbers[1:]:
        cut = pieces[number].start_seconds
        assert cut == pytest.approx(pieces[number - 1].end_seconds, abs=0.003)
        assert 45 * number - 7.5 <= cut <= 45 * number + 7.5
        assert (cut + 0.05) % 10 < 0.65
    heard = np.concatenate([pieces[number].samples for number in numbers])
    delay = int(np.argmax([np.dot(heard[n : n + 160_000], whole[:160_000]) for n in range(3000)]))
    for second in range(5, 195, 10):
        begin = second * SAMPLE_RATE
        part, other = whole[begin : begin + 8000], heard[begin + delay : begin + delay + 8000]
        assert np.corrcoef(part, other)[0, 1] > 0.6  # of noise, a lossy codec keeps less


@pytest.mark.parametrize(("seconds", "count"), [(0, 1), (59, 1), (60, 1), (61, 2), (105, 2), (106, 3), (3600, 80)])
def test_a_short_rest_belongs_to_the_piece_before(seconds: float, count: int) -> None:
    assert count_windows(seconds) == count
