"""/v1/audio/speech: read texts aloud, and list the voices."""

import base64
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse

from flows.running.content_forms import Speech
from flows.speak_text import passage_samples, speech_requests
from gateway.forms import fill_form
from gateway.http.access import Caller, Maker, Viewer
from gateway.http.openai.images import NOTICE
from gateway.http.openai.job_answers import follow_answers, in_order
from gateway.http.openai.names import resolve_model
from gateway.http.openai.stream import sse_events
from media.audio.files import SOUND_MEDIA_TYPES, SoundEncoder, SoundKind
from modalities.errors import InvalidRequest
from modalities.speaking.requests import FASTEST, SLOWEST, Spoken

router = APIRouter(prefix="/v1/audio", tags=["OpenAI"])
DEPLOYMENT = "speak-text"
_OPENAI_VOICES = frozenset(
    (
        *("alloy", "ash", "ballad", "cedar", "coral", "default", "echo"),
        *("fable", "marin", "nova", "onyx", "sage", "shimmer", "verse"),
    )
)
"""Voices that client programs have built in; each means the model's own."""
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in SOUND_MEDIA_TYPES.values()},
            "text/event-stream": {"schema": {"type": "string"}},
        }
    }
}


class VoiceName(BaseModel):
    """A voice as an object, as newer clients send it."""

    id: str = Field(max_length=60)


class SpeechRequest(BaseModel):
    """A text to read aloud; `instructions` are ignored."""

    model_config = ConfigDict(extra="ignore")

    input: str = Field(min_length=1, max_length=20_000)
    model: str | None = Field(default=None, max_length=200)
    voice: str | VoiceName | None = Field(default=None, description="One of /v1/audio/voices; OpenAI's mean the first.")
    response_format: SoundKind | None = None
    speed: float | None = Field(default=None, ge=0.25, le=4, description="From 0.5 to 2; others count as these.")
    stream_format: Literal["audio", "sse"] | None = None


class Voice(BaseModel):
    """A voice of a model."""

    id: str
    name: str
    model: str


class Voices(BaseModel):
    """The voices that read aloud."""

    voices: list[Voice]


@router.post("/speech", response_class=Response, responses=_RESPONSES)
async def speak(caller: Maker, asked: SpeechRequest) -> Response:
    """Read a text aloud. The sound is sent while it is made."""
    kind: SoundKind = asked.response_format or "mp3"
    speech, notices = _speech(caller, asked, kind)
    requests, pauses = await run_in_threadpool(speech_requests, caller.space, speech)
    values = {"speech": speech.model_dump(mode="json")}
    job = await caller.services.jobs.start(caller.person, caller.project, DEPLOYMENT, values)
    spoken = in_order(follow_answers(caller, job, requests))
    first = await anext(spoken, None)
    if first is None:
        await caller.services.jobs.wait_for_result(caller.project, job.id)
        raise InvalidRequest("The text has no words that can be read aloud.")
    sound = _encoded(caller, kind, first, spoken, pauses)
    headers = {NOTICE: " ".join(notices)} if notices else {}
    if asked.stream_format == "sse":
        return EventSourceResponse(sse_events(_events(sound)), headers=headers)
    return StreamingResponse(sound, media_type=SOUND_MEDIA_TYPES[kind], headers=headers)


@router.get("/voices")
def list_voices(caller: Viewer) -> Voices:
    """List the voices of all models that read aloud: the default voice first, the others by the names of their models.

    The default is the voice of the profile's model, which `default` and the voices of OpenAI mean.
    """
    found = _voices(caller)
    return Voices(voices=[Voice(id=voice, name=voice, model=model) for voice, model in found.items()])


def _speech(caller: Caller, asked: SpeechRequest, kind: SoundKind) -> tuple[Speech, list[str]]:
    """Return the form of the flow, and a sentence for each field that the sound does not follow.

    Raises InvalidRequest, UnknownModel.
    """
    voice = asked.voice.id if isinstance(asked.voice, VoiceName) else asked.voice or ""
    notices: list[str] = []
    voices = _voices(caller)
    if voice and voice not in voices:
        if voice not in _OPENAI_VOICES:
            raise InvalidRequest(f"There is no voice {voice!r}: the voices are {', '.join(voices) or 'none'}.")
        notices.append(f"There is no voice {voice} here: this is {next(iter(voices), 'another')}.")
        voice = ""
    speed = min(max(asked.speed or 1.0, SLOWEST), FASTEST)
    if asked.speed not in (None, speed):
        notices.append(f"The speed is {speed:g}: from {SLOWEST:g} to {FASTEST:g} are possible.")
    form = fill_form(
        Speech,
        text=asked.input,
        voice=voice,
        speed=speed,
        format="wav" if kind == "pcm" else kind,
        model=voices.get(voice) or resolve_model(caller.space, asked.model, "speaking") or "",
        project=caller.project,
    )
    return form, notices


def _voices(caller: Caller) -> dict[str, str]:
    """Return the model of each voice: the voice of the profile's model first, then by the names of the models.

    Of several models with the same voice, the first one has it.
    """
    own = caller.space.profile.speaking
    voices: dict[str, str] = {}
    for name, spec in sorted(caller.space.catalogue.models.items(), key=lambda item: (item[0] != own, item[0])):
        if spec.operator == "hibari":
            voices.setdefault(str(spec.options.get("voice", "heart")), name)
    return voices


async def _encoded(
    caller: Caller, kind: SoundKind, first: Spoken, others: AsyncGenerator[Spoken], pauses: list[float]
) -> AsyncGenerator[bytes]:
    """Yield the sound file, passage by passage."""
    encoder = await run_in_threadpool(SoundEncoder, first.sample_rate, kind)
    number = 0

    async def passages() -> AsyncIterator[Spoken]:
        yield first
        async for spoken in others:
            yield spoken

    async for spoken in passages():
        samples = await run_in_threadpool(passage_samples, caller.space, spoken, pauses[number])
        number += 1
        if data := await run_in_threadpool(encoder.add, samples):
            yield data
    yield await run_in_threadpool(encoder.finish)


async def _events(sound: AsyncGenerator[bytes]) -> AsyncIterator[dict[str, Any]]:
    async for data in sound:
        yield {"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()}
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield {"type": "speech.audio.done", "usage": usage}
