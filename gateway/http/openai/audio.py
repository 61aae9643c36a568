"""/v1/audio: transcribe recordings and translate speech into English."""

import zlib
from math import log
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator
from sse_starlette import EventSourceResponse

from flows.running.content_forms import Recording
from flows.transcribe_audio import TranscriptReport
from gateway.forms import fill_form
from gateway.http.access import Caller, Maker
from gateway.http.jobs.job import Job
from gateway.http.openai.names import resolve_model
from gateway.http.openai.stream import sse_events
from gateway.http.openai.transcript_stream import stream_segments, wait_for_report
from gateway.http.uploads.incoming_files import store_query_file
from modalities.speech.segments import Segment
from modalities.translation.languages import english_name

router = APIRouter(prefix="/v1/audio", tags=["OpenAI"])
Format = Literal["json", "verbose_json", "diarized_json", "text", "srt", "vtt"]
_DEPLOYMENT = "transcribe-audio"
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "text/event-stream": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object", "required": ["text"]}},
        }
    }
}


class SpeechForm(BaseModel):
    """The fields of both routes; `temperature` is ignored. `vocabulary`, `vad`, `track` and `speakers` are ours."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    file: UploadFile
    model: str | None = Field(default=None, max_length=200)
    response_format: Format = "json"
    prompt: str = Field(default="", max_length=4000, description="A text that the transcript continues.")
    vocabulary: str = Field(
        default="",
        max_length=4000,
        validation_alias=AliasChoices("vocabulary", "hotwords"),
        description="Words that are likely, with commas between them.",
    )
    vad: Literal["model", "on", "off"] = Field(default="model", description="Leave out what is no speech first.")
    track: str = Field(default="", max_length=40, description="The number or language of the track to hear.")

    speakers: bool = Field(default=False, description="Tell speakers apart; implied by diarized_json.")

    @field_validator("response_format", mode="before")
    @classmethod
    def _empty_is_json(cls, value: Any) -> Any:
        return value or "json"

    def hearing(self) -> dict[str, Any]:
        """Return the options of the transcription as fields of the flow's form."""
        words = [word for each in self.vocabulary.split(",") if (word := each.strip())]
        speakers = self.speakers or self.response_format == "diarized_json"
        return {"speakers": speakers, "prompt": self.prompt, "vocabulary": words, "vad": self.vad, "track": self.track}


class TranscriptionForm(SpeechForm):
    """The fields of a transcription."""

    language: str = Field(default="", max_length=40, description="In any form: de, de_AT, German; empty to detect it.")
    granularities: list[Literal["word", "segment"]] = Field(default=[], alias="timestamp_granularities[]")
    stream: bool = False

    @field_validator("stream", mode="before")
    @classmethod
    def _empty_is_false(cls, value: Any) -> Any:
        return False if value == "" else value


@router.post("/transcriptions", response_class=Response, responses=_RESPONSES)
async def transcribe(caller: Maker, options: Annotated[TranscriptionForm, Form()]) -> Response:
    """Transcribe speech in its own language. A stream has one event per segment."""
    job, form = await _start_job(caller, options, language=options.language)
    if options.stream:
        return EventSourceResponse(sse_events(stream_segments(caller, job, form)))
    report = await wait_for_report(caller, job)
    if options.response_format == "verbose_json":
        return JSONResponse(_verbose_document(report, "transcribe", options.granularities or ["segment"]))
    if options.response_format == "diarized_json":
        return JSONResponse(_diarized_document(report))
    return await _plain_response(caller, report, options.response_format)


@router.post("/translations", response_class=Response, responses=_RESPONSES)
async def translate(caller: Maker, options: Annotated[SpeechForm, Form()]) -> Response:
    """Transcribe speech and translate it into English."""
    job, _ = await _start_job(caller, options, to="en")
    report = await wait_for_report(caller, job)
    if options.response_format == "verbose_json":
        return JSONResponse(_verbose_document(report, "translate", ["segment"]))
    return await _plain_response(caller, report, options.response_format)


async def _start_job(caller: Caller, options: SpeechForm, **languages: str) -> tuple[Job, Recording]:
    """Store an uploaded recording and start a job that transcribes it; return the job and its form."""
    file = options.file
    recording = await run_in_threadpool(
        store_query_file, caller.space, file.file, file.filename or "recording", "speech"
    )
    form = fill_form(
        Recording,
        recording=recording.sha256,
        model=resolve_model(caller.space, options.model, "speech"),
        project=caller.project,
        **options.hearing(),
        **languages,
    )
    values = {"recording": form.model_dump(mode="json")}
    return await caller.services.jobs.start(caller.person, caller.project, _DEPLOYMENT, values), form


async def _plain_response(caller: Caller, report: TranscriptReport, kind: Format) -> Response:
    if kind in ("srt", "vtt"):
        data = await run_in_threadpool(caller.space.store.get, report.files[kind])
        return PlainTextResponse(data)
    text = report.running_text
    if kind == "text":
        return PlainTextResponse(f"{text}\n")
    return JSONResponse({"text": text, "usage": {"type": "duration", "seconds": round(report.duration_seconds)}})


def _verbose_document(report: TranscriptReport, task: str, granularities: list[Any]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "task": task,
        "language": english_name(report.language),
        "duration": report.duration_seconds,
        "text": report.running_text,
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


def _diarized_document(report: TranscriptReport) -> dict[str, Any]:
    segments = [
        {
            "type": "transcript.text.segment",
            "id": str(number),
            "start": segment.start_seconds,
            "end": segment.end_seconds,
            "text": segment.text,
            "speaker": _speaker(segment),
        }
        for number, segment in enumerate(report.segments)
    ]
    seconds = report.duration_seconds
    usage = {"type": "duration", "seconds": round(seconds)}
    document = {"task": "transcribe", "duration": seconds, "text": report.running_text}
    return document | {"segments": segments, "usage": usage}


def _speaker(segment: Segment) -> str:
    return f"Speaker {segment.speaker or 1}"


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    """Return a segment with OpenAI's fields; `no_speech_prob` is 0, since silence is removed before transcription."""
    data = segment.text.encode()
    log_probabilities = [log(max(word.probability, 1e-4)) for word in segment.words]
    return {
        "id": number,
        "seek": 0,
        "start": segment.start_seconds,
        "end": segment.end_seconds,
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": sum(log_probabilities) / len(log_probabilities) if log_probabilities else 0.0,
        "compression_ratio": len(data) / len(zlib.compress(data)),
        "no_speech_prob": 0.0,
        **({"speaker": _speaker(segment)} if segment.speaker else {}),
    }
