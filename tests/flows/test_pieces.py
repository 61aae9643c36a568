"""The promise of long work: what is finished is kept, and a run that is cut off goes on after it."""

import io
import wave
from pathlib import Path

import pytest

from flows.running.context import RunContext
from modalities.speech.transcription import Transcribe, read_segments
from storage.recipes import RecipeRecord


class PowerCut(Exception):
    """What ends a run in the middle."""


def with_silence(speech: Path, seconds: int) -> bytes:
    """The speech, so much silence, and the speech again."""
    with wave.open(str(speech)) as sound:
        frames, shape = sound.readframes(sound.getnframes()), sound.getparams()
    out = io.BytesIO()
    with wave.open(out, "wb") as written:
        written.setparams(shape)
        written.writeframes(frames + bytes(seconds * shape.framerate * shape.sampwidth * shape.nchannels) + frames)
    return out.getvalue()


def pieces_of(context: RunContext) -> dict[float, RecipeRecord]:
    """The kept pieces by where they begin."""
    return {
        record.recipe.request["start_seconds"]: record
        for record in context.space.recipes.all()
        if record.recipe.operator.endswith(":TranscribePiece")
    }


def test_a_long_recording_goes_on_after_its_last_finished_piece(context: RunContext, samples: Path) -> None:
    audio = context.space.store.put(with_silence(samples / "weather.wav", 620), "audio/wav")
    request = Transcribe(model=context.space.profile.speech, audio=audio)

    def cut_off(fraction: float) -> None:
        if fraction > 0.6:
            raise PowerCut

    with pytest.raises(PowerCut):
        context.space.answers.run(request, cut_off)
    before = pieces_of(context)
    assert len(before) == 2
    assert context.space.answers.find(request) is None

    transcript = context.space.answers.run(request)
    after = pieces_of(context)
    assert len(after) == 3
    assert {start: after[start].created for start in before} == {start: one.created for start, one in before.items()}
    starts = [segment.start_seconds for segment in read_segments(context.space.store, transcript)]
    assert min(starts) < 30
    assert max(starts) > 600
