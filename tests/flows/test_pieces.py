"""Long transcriptions: finished pieces are stored, and an interrupted run resumes after them."""

import io
import wave
from pathlib import Path

import pytest

from flows.running.context import RunContext
from modalities.speech.requests import Transcribe, read_segments
from storage.recipes import RecipeRecord


class Interrupted(Exception):
    """Ends a run in the middle."""


def with_silence(speech: Path, seconds: int) -> bytes:
    """Return a WAV file of the speech, some seconds of silence, and the speech again."""
    with wave.open(str(speech)) as sound:
        frames, shape = sound.readframes(sound.getnframes()), sound.getparams()
    out = io.BytesIO()
    with wave.open(out, "wb") as written:
        written.setparams(shape)
        written.writeframes(frames + bytes(seconds * shape.framerate * shape.sampwidth * shape.nchannels) + frames)
    return out.getvalue()


def stored_pieces(context: RunContext) -> dict[float, RecipeRecord]:
    """Return the stored pieces by their start in seconds."""
    return {
        record.recipe.request["start_seconds"]: record
        for record in context.space.recipes.all()
        if record.recipe.operator.endswith(":TranscribePiece")
    }


def test_a_long_transcription_resumes_after_its_last_finished_piece(context: RunContext, samples: Path) -> None:
    audio = context.space.store.put(with_silence(samples / "weather.wav", 620), "audio/wav")
    request = Transcribe(model=context.space.profile.speech, audio=audio)

    def interrupt(fraction: float) -> None:
        if fraction > 0.6:
            raise Interrupted

    with pytest.raises(Interrupted):
        context.space.answers.run(request, interrupt)
    before = stored_pieces(context)
    assert len(before) == 2
    assert context.space.answers.find(request) is None

    transcript = context.space.answers.run(request)
    after = stored_pieces(context)
    assert len(after) == 3
    assert {start: after[start].created for start in before} == {start: one.created for start, one in before.items()}
    starts = [segment.start_seconds for segment in read_segments(context.space.store, transcript)]
    assert min(starts) < 30
    assert max(starts) > 600
