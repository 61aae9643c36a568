"""Long transcriptions: finished pieces are stored, and an interrupted run resumes after them."""

import io
import wave
from dataclasses import replace
from pathlib import Path

import pytest

from flows.library.hearing import transcripts
from flows.running.context import RunContext
from media.errors import UnreadableMedia
from media.recordings.pieces import count_windows
from modalities.errors import UnknownModel
from modalities.speech.requests import Transcribe, Transcript, read_segments
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


def stored_pieces(context: RunContext) -> dict[int, RecipeRecord]:
    """Return the stored pieces by their number."""
    return {
        record.recipe.request["number"]: record
        for record in context.space.recipes.read_all()[0]
        if record.recipe.operator.endswith(":TranscribePiece")
    }


def test_a_long_transcription_resumes_after_its_last_finished_piece(context: RunContext, samples: Path) -> None:
    audio = context.space.store.put(with_silence(samples / "weather.wav", 180), "audio/wav")
    request = Transcribe(model=context.space.profile.speech, audio=audio)

    def interrupt(fraction: float) -> None:
        if fraction > 0.6:
            raise Interrupted

    with pytest.raises(Interrupted):
        context.space.answers.run(request, interrupt)
    before = stored_pieces(context)
    assert len(before) >= 2
    assert context.space.answers.find(request) is None

    transcript = context.space.answers.run(request)
    after = stored_pieces(context)
    assert sorted(after) == list(range(len(after)))
    assert len(after) > len(before)
    assert {number: after[number].created for number in before} == {
        number: one.created for number, one in before.items()
    }
    starts = [segment.start_seconds for segment in read_segments(context.space.store, transcript)]
    assert min(starts) < 30
    assert max(starts) > 180


async def test_pieces_that_were_asked_by_themselves_are_put_together_to_the_answer_of_the_whole(
    context: RunContext, samples: Path
) -> None:
    audio = context.space.store.put(with_silence(samples / "weather.wav", 150), "audio/wav")
    request = Transcribe(model=context.space.profile.speech, audio=audio)
    broken = Transcribe(model=request.model, audio=context.space.store.put(b"no sound", "audio/wav"))
    told: list[float] = []
    unknown = request.model_copy(update={"model": "whisper-none"})
    heard, failed, unanswered = await transcripts(replace(context, progress=told.append), [request, broken, unknown])
    assert isinstance(unanswered, UnknownModel)
    assert isinstance(heard, Transcript)
    assert isinstance(failed, UnreadableMedia)
    assert told == sorted(told)
    assert context.space.answers.find(request) == heard
    assert len(stored_pieces(context)) == count_windows(heard.duration_seconds)
    assert context.space.answers.recompute([request])[0].result == heard.model_dump(mode="json")  # pyright: ignore
