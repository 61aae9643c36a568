"""A text that is read aloud is understood by the speech model, word for word."""

import io
import wave
from typing import Any

import jiwer
import numpy as np
import pytest

from media.audio.files import SoundEncoder, decode, encode_whole
from modalities.contract import ModelSpec, no_progress
from modalities.errors import InvalidRequest
from modalities.models.weights import WeightsLocator
from modalities.speaking.hibari import HibariVoice
from modalities.speaking.passages import split_passages
from modalities.speaking.requests import Speak, Spoken
from modalities.speech.requests import Transcribe
from modalities.speech.whisper import Whisper
from storage.artifacts import ArtifactStore

TEXT = (
    "The library opens at nine in the morning. Visitors may borrow up to ten books, and they should bring them back "
    "within four weeks. Dr. Smith reads stories to children every Saturday afternoon!"
)


@pytest.fixture(scope="module")
def voice(starter_models: dict[str, ModelSpec], weights_locator: WeightsLocator) -> HibariVoice:
    spec = starter_models["hibari-heart"]
    return HibariVoice.load(spec, weights_locator.locate(spec))


@pytest.fixture
def say(voice: HibariVoice, modality_store: ArtifactStore) -> Any:
    def answer(text: str, **settings: Any) -> Any:
        request = Speak(**{"model": "hibari-heart", "text": text, "voice": "heart", **settings})
        return voice([request], modality_store, no_progress)[0]

    return answer


def words(text: str) -> str:
    text = text.lower().replace("dr.", "doctor").replace("9", "nine").replace("10", "ten").replace("4", "four")
    return " ".join("".join(c if c.isalnum() else " " for c in text).split())


def test_a_spoken_text_comes_back_from_the_speech_model(
    say: Any, modality_store: ArtifactStore, starter_models: dict[str, ModelSpec], weights_locator: WeightsLocator
) -> None:
    spoken: Spoken = say(TEXT)
    assert spoken.audio.media_type == "audio/flac"
    assert spoken == say(TEXT)
    assert say(TEXT, speed=1.5).duration_seconds < 0.75 * spoken.duration_seconds
    spec = starter_models["whisper-base"]
    whisper = Whisper.load(spec, weights_locator.locate(spec))
    heard: Any = whisper([Transcribe(model="whisper-base", audio=spoken.audio)], modality_store, no_progress)[0]
    assert heard.language == "en"
    assert jiwer.wer(words(TEXT), words(heard.text)) <= 0.1


@pytest.mark.parametrize(
    ("text", "given", "what"),
    [
        ("¡¿!? …", {}, "no words"),
        ("你好，世界", {}, "another script"),
        ("Hello.", {"voice": "emma"}, "its voice is heart"),
    ],
)
def test_what_cannot_be_said_is_refused_in_a_sentence(say: Any, text: str, given: dict[str, Any], what: str) -> None:
    answer = say(text, **given)
    assert isinstance(answer, InvalidRequest)
    assert what in str(answer)


@pytest.mark.parametrize(
    "text", [TEXT * 20, "word " * 500, "x" * 2000, "A.\n\nB!  C? “D.” E", "Mr. J. R. Ewing paid 3.50."]
)
def test_passages_are_whole_sentences_where_they_can_be_and_lose_nothing(text: str) -> None:
    passages = split_passages(text)
    assert "".join("".join(each.text.split()) for each in passages) == "".join(text.split())
    assert all(0 < len(each.text) <= 300 for each in passages)
    if text.startswith("The library"):
        assert all(each.text.endswith((".", "!")) for each in passages)
    if text.startswith("Mr"):
        assert len(passages) == 1


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_sound_files_are_the_same_sound_whole_and_in_parts(kind: Any) -> None:
    time = np.arange(24_000) / 24_000
    samples = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    whole = encode_whole([samples, samples], 24_000, kind)
    encoder = SoundEncoder(24_000, kind)
    parts = encoder.add(samples) + encoder.add(samples) + encoder.finish()
    assert encode_whole([samples, samples], 24_000, kind) == whole
    if kind == "pcm":
        assert len(whole) == len(parts) == 96_000
        return
    for data in (whole, parts):
        found, rate = decode(data)
        assert len(found) / rate == pytest.approx(2.0, abs=0.1)
        assert abs(found).max() == pytest.approx(0.3, abs=0.05)
    if kind == "wav":
        with wave.open(io.BytesIO(whole)) as reader:
            assert reader.getnframes() == 48_000
