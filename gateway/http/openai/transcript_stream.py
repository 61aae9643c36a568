"""Stream a transcript: the segments of each piece of a recording as soon as the piece is transcribed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from flows.library.inputs import resolve_input
from flows.running.content_forms import Recording
from flows.running.context import local_context
from flows.running.platform import Space
from flows.transcribe_audio import TranscriptReport, recording_request
from gateway.http.access import Caller
from gateway.http.jobs.job import Job
from modalities.speech.languages import separator
from modalities.speech.pieces import piece_request, piece_segments, with_language
from modalities.speech.repetitions import collapsed, spoken
from modalities.speech.requests import PieceTranscript, Transcribe
from modalities.speech.segments import Segment


async def wait_for_report(caller: Caller, job: Job) -> TranscriptReport:
    """Wait for the end of a job that transcribes. Raises WrongInput, RunDidNotComplete."""
    return TranscriptReport.model_validate(await caller.services.jobs.wait_for_result(caller.project, job.id))


async def stream_segments(caller: Caller, job: Job, recording: Recording) -> AsyncIterator[dict[str, Any]]:
    """Yield OpenAI's events: a delta for each segment, and the whole text at the end."""
    request = await asyncio.to_thread(_request, caller.space, recording)
    pieces: list[PieceTranscript] = []
    until, between = 0.0, ""
    async for _ in caller.services.jobs.follow(caller.project, job.id):
        while (found := await asyncio.to_thread(_next_piece, caller.space, request, pieces)) is not None:
            pieces.append(found)
            request = await asyncio.to_thread(with_language, request, pieces, caller.space.store)
            for segment in await asyncio.to_thread(_spoken, caller.space, found):
                yield _delta(segment, between)
                until, between = segment.end_seconds, separator(request.language or "")
    report = await wait_for_report(caller, job)
    for segment in report.segments:
        if segment.start_seconds >= until:
            yield _delta(segment, between)
            between = separator(report.language)
    yield {"type": "transcript.text.done", "text": report.running_text}


def _request(space: Space, recording: Recording) -> Transcribe:
    return recording_request(local_context(space), resolve_input(space, recording.recording), recording)


def _next_piece(space: Space, request: Transcribe, before: Sequence[PieceTranscript]) -> PieceTranscript | None:
    """Return the piece that follows, if it has been transcribed."""
    if before and before[-1].is_last:
        return None
    return space.answers.find(piece_request(request, len(before)))


def _spoken(space: Space, piece: PieceTranscript) -> Sequence[Segment]:
    return spoken(collapsed(piece_segments(piece, space.store)))


def _delta(segment: Segment, between: str) -> dict[str, Any]:
    return {"type": "transcript.text.delta", "delta": f"{between}{segment.text}"}
