"""Speakers are told apart by their voices, whoever and how many they are; what is said goes to who says it."""

from pathlib import Path

import numpy as np
import pytest

from media.recordings.pieces import read_window
from modalities.contract import ModelSpec, no_progress
from modalities.models.weights import WeightsLocator
from modalities.speakers.clustering import grouped, turns
from modalities.speakers.requests import Speakers, TellSpeakers, read_turns
from modalities.speakers.resemblyzer import Resemblyzer
from modalities.speech.segments import Segment, Word
from modalities.speech.speakers import by_speaker, named
from storage.artifacts import ArtifactStore
from tests.media.audio.test_channels import sound
from tests.paths import SAMPLES


def voices(*counts: int) -> np.ndarray:
    """So many windows of each voice in turn: vectors near one of three directions."""
    noise = np.random.default_rng(1).normal(0, 0.02, (sum(counts), 256))
    made = np.abs(np.repeat(np.eye(256)[[number % 3 for number in range(len(counts))]], counts, axis=0) + noise)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("counts", "speakers"), [((20,), 1), ((20, 20), 2), ((20, 20, 20, 20), 3), ((40, 1), 1), ((1,), 1), ((), 0)]
)
def test_voices_are_grouped(counts: tuple[int, ...], speakers: int) -> None:
    labels = grouped(voices(*counts) if counts else np.zeros((0, 256), np.float32))
    assert len(set(labels.tolist())) == speakers
    assert labels.tolist()[:1] == [0] * min(len(labels), 1)


def test_a_turn_ends_where_the_next_begins_and_single_windows_are_no_turns() -> None:
    labels = np.array([0, 0, 1, 0, 0, 1, 1, 1])
    found = turns(labels, 0.4 * np.arange(8))
    assert [(turn.start_seconds, turn.end_seconds, turn.speaker) for turn in found] == [(0.6, 2.6, 1), (2.6, 3.8, 2)]


def segment(*words: tuple[float, float, str]) -> Segment:
    spoken = tuple(Word(start_seconds=a, end_seconds=b, text=text, probability=1) for a, b, text in words)
    text = "".join(word.text for word in spoken).strip()
    return Segment(start_seconds=words[0][0], end_seconds=words[-1][1], text=text, words=spoken)


def test_a_segment_is_split_where_the_speaker_changes_and_names_stand_where_one_begins() -> None:
    said = [
        segment((0.0, 1.0, " How"), (1.0, 2.0, " much?"), (2.0, 2.3, " Two"), (2.3, 4.0, " dollars.")),
        segment((4.0, 6.0, " Thanks.")),
        Segment(start_seconds=6, end_seconds=8, text="Bye."),
    ]
    told = by_speaker(said, [(0.0, 2.2, 1), (2.2, 6.0, 2), (6.0, 8.0, 1)])
    assert [(each.speaker, each.text) for each in told] == [
        (1, "How much? Two"),
        (2, "dollars."),
        (2, "Thanks."),
        (1, "Bye."),
    ]
    assert [each.text for each in named(told)] == [
        "Speaker 1: How much? Two",
        "Speaker 2: dollars.",
        "Thanks.",
        "Speaker 1: Bye.",
    ]
    assert by_speaker(said, []) == tuple(said)


def test_two_readers_are_two_speakers_in_the_order_in_which_they_begin(
    tmp_path: Path,
    starter_models: dict[str, ModelSpec],
    weights_locator: WeightsLocator,
    modality_store: ArtifactStore,
) -> None:
    spec = starter_models["resemblyzer"]
    operator = Resemblyzer.load(spec, weights_locator.locate(spec))
    english, german = (read_window(SAMPLES / name, 0).samples for name in ("reading.wav", "station.flac"))
    sound(tmp_path / "both.wav", [np.concatenate([english, german, english[:64_000]])], "mono")
    audio = modality_store.put((tmp_path / "both.wav").read_bytes(), "audio/wav")
    broken = modality_store.put(b"no sound", "audio/wav")
    requests = [TellSpeakers(model="resemblyzer", audio=each) for each in (audio, broken)]
    found, error = operator(requests, modality_store, no_progress)
    assert isinstance(found, Speakers)
    assert "cannot be opened" in str(error)
    assert found.count == 2
    said = read_turns(modality_store, found)
    assert [turn.speaker for turn in said] == [1, 2, 1]
    change = len(english) / 16_000
    assert said[0].end_seconds == pytest.approx(change, abs=0.8)
    assert said[1].end_seconds == pytest.approx(change + len(german) / 16_000, abs=0.8)
