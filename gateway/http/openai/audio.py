"""/v1/audio: what is said in a recording, as OpenAI's clients ask for it."""

import zlib
from collections.abc import AsyncIterator
from math import log
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse

from flows.running.content_forms import Recording
from flows.transcribe_audio import TranscriptReport
from gateway.forms import filled
from gateway.http.access import Caller, Maker
from gateway.http.incoming_files import brought
from gateway.http.openai.names import model_named
from gateway.http.openai.stream import as_events
from modalities.speech.transcription import Segment
from modalities.translation.languages import english_name

router = APIRouter(prefix="/v1/audio", tags=["OpenAI"])
Format = Literal["json", "verbose_json", "text", "srt", "vtt"]
_DEPLOYMENT = "transcribe-audio"
_TEXTS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "text/event-stream": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object", "required": ["text"]}},
        }
    }
}


class SpeechForm(BaseModel):
    """What a request says about a recording; `prompt` and `temperature` are passed over."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    file: UploadFile
    model: str | None = Field(default=None, max_length=200)
    response_format: Format = "json"


class TranscriptionForm(SpeechForm):
    """The same, of a transcription."""

    language: str | None = Field(default=None, max_length=12, pattern=r"^[A-Za-z-]*$")
    granularities: list[Literal["word", "segment"]] = Field(default=[], alias="timestamp_granularities[]")
    stream: bool = False


@router.post("/transcriptions", response_class=Response, responses=_TEXTS)
async def transcribe(caller: Maker, wishes: Annotated[TranscriptionForm, Form()]) -> Response:
    """What is said, in its own language. A stream gives it in pieces."""
    job = await _listen(caller, wishes.file, wishes.model, language=wishes.language or "")
    if wishes.stream:
        return EventSourceResponse(as_events(_pieces(caller, job)))
    report = await _report(caller, job)
    if wishes.response_format == "verbose_json":
        return JSONResponse(_verbose(report, "transcribe", wishes.granularities or ["segment"]))
    return await _plain(caller, report, wishes.response_format)


@router.post("/translations", response_class=Response, responses=_TEXTS)
async def translate(caller: Maker, wishes: Annotated[SpeechForm, Form()]) -> Response:
    """What is said, in English."""
    report = await _report(caller, await _listen(caller, wishes.file, wishes.model, to="en"))
    if wishes.response_format == "verbose_json":
        return JSONResponse(_verbose(report, "translate", ["segment"]))
    return await _plain(caller, report, wishes.response_format)


async def _listen(caller: Caller, file: UploadFile, model: str | None, **wishes: str) -> Any:
    """The job that listens to an uploaded recording."""
    sound = await run_in_threadpool(brought, caller.space, file.file, file.filename or "recording", "speech")
    form = filled(
        Recording,
        recording=sound.sha256,
        model=model_named(caller.space, model, "speech"),
        project=caller.project,
        **wishes,
    )
    values = {"recording": form.model_dump(mode="json")}
    return await caller.services.jobs.start(caller.person, caller.project, _DEPLOYMENT, values)


async def _report(caller: Caller, job: Any) -> TranscriptReport:
    return TranscriptReport.model_validate(await caller.services.jobs.wait_for_result(caller.project, job.id))


async def _pieces(caller: Caller, job: Any) -> AsyncIterator[dict[str, Any]]:
    report = await _report(caller, job)
    for number, segment in enumerate(report.segments):
        yield {"type": "transcript.text.delta", "delta": f"\n{segment.text}" if number else segment.text}
    yield {"type": "transcript.text.done", "text": "\n".join(segment.text for segment in report.segments)}


async def _plain(caller: Caller, report: TranscriptReport, kind: Format) -> Response:
    if kind in ("srt", "vtt"):
        data = await run_in_threadpool(caller.space.store.get, report.files[kind])
        return PlainTextResponse(data)
    text = " ".join(report.text.split("\n"))
    if kind == "text":
        return PlainTextResponse(f"{text}\n")
    return JSONResponse({"text": text, "usage": {"type": "duration", "seconds": round(report.duration_seconds)}})


def _verbose(report: TranscriptReport, task: str, granularities: list[Any]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "task": task,
        "language": english_name(report.language),
        "duration": report.duration_seconds,
        "text": " ".join(report.text.split("\n")),
    }
    if "segment" in granularities:
        document["segments"] = [_segment(number, segment) for number, segment in enumerate(report.segments)]
    if "word" in granularities:
        document["words"] = [
            {"word": word.text.strip(), "start": word.start_seconds, "end": word.end_seconds}
            for segment in report.segments
            for word in segment.words
        ]
    return document


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    """A segment with the figures that OpenAI's has; those of silence are nought, since silence is left out before."""
    data = segment.text.encode()
    sure = [log(max(word.probability, 1e-4)) for word in segment.words]
    return {
        "id": number,
        "seek": 0,
        "start": segment.start_seconds,
        "end": segment.end_seconds,
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": sum(sure) / len(sure) if sure else 0.0,
        "compression_ratio": len(data) / len(zlib.compress(data)),
        "no_speech_prob": 0.0,
    }
