"""Speech is transcribed with times; sound without speech gives an empty transcript."""

import io
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest

from media.audio.sound import SAMPLE_RATE
from media.errors import UnreadableMedia
from media.recordings.pieces import read_window
from modalities.contract import ModelSpec, Weights, no_progress
from modalities.errors import InvalidRequest, ModelUnavailable
from modalities.models.weights import WeightsLocator
from modalities.speech.joined_weights import model_folder
from modalities.speech.requests import Transcribe, Transcript, read_segments
from modalities.speech.subtitles.check import check_cues
from modalities.speech.subtitles.cues import cues
from modalities.speech.subtitles.styles import NETFLIX
from modalities.speech.whisper import Whisper
from storage.artifacts import Artifact, ArtifactStore

Hear = Callable[..., Any]


@pytest.fixture(scope="session")
def whisper_spec(starter_models: dict[str, ModelSpec]) -> ModelSpec:
    return starter_models["whisper-base"]


@pytest.fixture(scope="session")
def whisper(whisper_spec: ModelSpec, weights_locator: WeightsLocator) -> Whisper:
    return Whisper.load(whisper_spec, weights_locator.locate(whisper_spec))


@pytest.fixture
def hear(whisper: Whisper, modality_store: ArtifactStore) -> Hear:
    """A function that transcribes one recording: a path, or samples at 16 kHz."""

    def answer(sound: Path | np.ndarray, **settings: Any) -> Any:
        audio = put(modality_store, sound)
        return whisper([Transcribe(model="whisper-base", audio=audio, **settings)], modality_store, no_progress)[0]

    return answer


def put(store: ArtifactStore, sound: Path | np.ndarray) -> Artifact:
    return store.put(sound.read_bytes() if isinstance(sound, Path) else wav(sound), "audio/wav")


def wav(samples: np.ndarray, rate: int = SAMPLE_RATE) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def tone(seconds: float, rate: int = SAMPLE_RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)


def words(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("clip", "language", "said"),
    [
        (
            "en_jfk.flac",
            "en",
            "And so, my fellow Americans, ask not what your country can do for you, "
            "ask what you can do for your country.",
        ),
        ("de_kerstin_1663.flac", "de", "Seine Arbeiten waren stark durch den Jugendstil geprägt."),
        ("en_librivox_0930.wav", "en", "he might even have been made amiable himself"),
    ],
)
def test_speech_is_transcribed_in_its_language(
    hear: Hear, shared_data: Path, modality_store: ArtifactStore, clip: str, language: str, said: str
) -> None:
    transcript: Transcript = hear(shared_data / "speech" / clip)
    assert transcript.language == language
    assert jiwer.wer(words(said), words(transcript.text)) <= 0.13
    segments = read_segments(modality_store, transcript)
    spoken = [word for segment in segments for word in segment.words]
    assert "".join(word.text for word in spoken).strip() == transcript.text
    assert [word.start_seconds for word in spoken] == sorted(word.start_seconds for word in spoken)
    assert all(word.start_seconds <= word.end_seconds <= transcript.duration_seconds for word in spoken)
    assert check_cues(cues(segments), NETFLIX) == []


@pytest.mark.shared_data
def test_german_speech_is_translated_into_english_in_one_step(hear: Hear, shared_data: Path) -> None:
    transcript: Transcript = hear(
        shared_data / "speech" / "de_az_training_audio2.wav", language="de-AT", task="translate"
    )
    assert transcript.language == "de"
    assert {"you", "can", "speech", "data"} <= set(words(transcript.text).split())


@pytest.mark.shared_data
def test_a_truncated_recording_is_transcribed_as_far_as_it_decodes(hear: Hear, shared_data: Path) -> None:
    transcript: Transcript = hear(shared_data / "hostile" / "flac_truncated.flac")
    assert "fellow Americans" in transcript.text
    assert transcript.duration_seconds == pytest.approx(5.43, abs=0.2)


@pytest.mark.shared_data
def test_a_video_is_transcribed_with_the_times_of_the_video(hear: Hear, shared_data: Path, tmp_path: Path) -> None:
    piece = read_window(shared_data / "speech" / "en_librivox_0930.wav", 0)
    transcript: Transcript = hear(film(tmp_path / "film.mkv", piece.samples))
    assert "himself" in transcript.text


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(np.zeros(8 * SAMPLE_RATE), id="silence"),
        pytest.param(np.random.default_rng(7).normal(0, 0.1, 8 * SAMPLE_RATE), id="noise"),
        pytest.param(tone(5), id="tone"),
        pytest.param(np.sign(tone(5)), id="clipped tone"),
        pytest.param(np.full(10, 0.1), id="ten samples"),
        pytest.param(np.zeros(0), id="no samples"),
    ],
)
def test_sound_without_speech_has_an_empty_transcript(hear: Hear, sound: np.ndarray) -> None:
    transcript: Transcript = hear(sound)
    assert transcript.text == ""
    assert transcript.language == "und"
    assert transcript.duration_seconds == pytest.approx(len(sound) / SAMPLE_RATE, abs=0.001)


def test_a_recording_that_cannot_be_read_fails_alone(whisper: Whisper, modality_store: ArtifactStore) -> None:
    no_channels = bytearray(wav(tone(1)))
    no_channels[22:24] = b"\0\0"
    playlist = modality_store.put(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "audio/x-mpegurl")
    recordings = [
        modality_store.put(bytes(no_channels), "audio/wav"),
        put(modality_store, np.zeros(SAMPLE_RATE)),
        modality_store.put(b"no sound at all", "audio/wav"),
        playlist,
    ]
    requests = [Transcribe(model="whisper-base", audio=audio) for audio in recordings]
    seen: list[float] = []
    answers = whisper(requests, modality_store, seen.append)
    assert [type(answer) for answer in answers] == [UnreadableMedia, Transcript, UnreadableMedia, UnreadableMedia]
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_an_unknown_language_is_an_error_that_says_so(hear: Hear) -> None:
    answer = hear(tone(1), language="xx")
    assert isinstance(answer, InvalidRequest)
    assert "'xx'" in str(answer)


@pytest.mark.shared_data
def test_the_same_recording_has_the_same_transcript_even_when_the_model_samples(
    whisper_spec: ModelSpec, weights_locator: WeightsLocator, modality_store: ArtifactStore, shared_data: Path
) -> None:
    options = {**whisper_spec.options, "temperatures": [1.0]}
    sampling = Whisper.load(whisper_spec.model_copy(update={"options": options}), weights_locator.locate(whisper_spec))
    audio = put(modality_store, shared_data / "speech" / "en_librivox_0890.wav")
    first, again = (
        sampling([Transcribe(model="whisper-base", audio=audio)], modality_store, no_progress)[0] for _ in range(2)
    )
    assert first == again


def test_parts_of_a_model_are_joined_in_order_and_verified(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    (one / "model.bin.part1").write_bytes(b"first")
    (two / "model.bin.part2").write_bytes(b"second")
    (two / "config.json").write_text("{}")
    weights = Weights(folders=(two, one), digest="0" * 64, cache=tmp_path / "cache")
    folder = model_folder("small", weights, None)
    assert (folder / "model.bin").read_bytes() == b"firstsecond"
    assert (folder / "config.json").exists()
    assert model_folder("small", weights, None) == folder
    with pytest.raises(ModelUnavailable, match="not those of the catalogue"):
        model_folder("small", weights, "0" * 64)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_099, 96_000])
def test_any_sample_rate_becomes_sixteen_kilohertz(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(wav(tone(2, rate), rate))
    piece = read_window(path, 0)
    assert len(piece.samples) == pytest.approx(2 * SAMPLE_RATE, abs=40)
    spectrum = np.abs(np.fft.rfft(piece.samples))
    assert spectrum.argmax() * SAMPLE_RATE / len(piece.samples) == pytest.approx(440, abs=1)


def film(path: Path, samples: np.ndarray) -> Path:
    """Write a Matroska file with black frames and the samples as FLAC."""
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        for number in range(int(len(samples) / SAMPLE_RATE * 5)):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(
            (samples * 32767).astype(np.int16).reshape(1, -1), format="s16", layout="mono"
        )
        sound.sample_rate, sound.pts = SAMPLE_RATE, 0
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path
