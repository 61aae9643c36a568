"""Speaking: a text read aloud."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.library.markdown import download_links
from flows.running.content_forms import Speech
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from flows.running.platform import Space
from flows.running.prefect_context import run_as_flow
from media.audio.channels import Samples
from media.audio.files import SOUND_MEDIA_TYPES, decode, encode_whole
from media.errors import ItemError
from media.identify import safe_name
from modalities.errors import UnknownModel
from modalities.speaking.passages import split_passages
from modalities.speaking.requests import Speak, Spoken
from storage.artifacts import Artifact
from storage.records import ArtifactRecord

_WORDS_IN_NAME = 8


class SpeechReport(BaseModel):
    """A sound file with the text read aloud."""

    artifact: str
    name: str
    media_type: str
    duration_seconds: float

    def __str__(self) -> str:
        return f"{self.duration_seconds:.1f} seconds of speech."


@flow(name="speak-text")
async def speak_text(speech: Speech) -> State[Any]:
    """Read a text aloud."""
    return await run_as_flow(speech.project, lambda context: speak(context, speech))


async def speak(context: RunContext, speech: Speech) -> SpeechReport:
    """Speak each passage by itself, put the passages together with pauses between them, and record the file."""
    requests, pauses = speech_requests(context.space, speech)
    answers = await context.answers(requests)
    spoken = [answer for answer in answers if isinstance(answer, Spoken)]
    if len(spoken) < len(answers):
        raise next(answer for answer in answers if isinstance(answer, ItemError))
    record, seconds = await asyncio.to_thread(_record, context.space, speech, requests, spoken, pauses)
    files = [(record.name, record.artifact)]
    await context.show("speech", await asyncio.to_thread(download_links, context.space, files))
    return SpeechReport(
        artifact=record.artifact.sha256,
        name=record.name,
        media_type=record.artifact.media_type,
        duration_seconds=round(seconds, 3),
    )


def speech_requests(space: Space, speech: Speech) -> tuple[list[Speak], list[float]]:
    """Return one request for each passage of the text, and the seconds of silence after each.

    Raises UnknownModel if the profile has no voice, and NothingToDo for an empty text.
    """
    model = speech.model or space.profile.speaking
    if model is None:
        raise UnknownModel("The profile names no model that reads aloud: add `speaking` to it in models.yaml.")
    voice = speech.voice or str(space.catalogue.spec(model).options.get("voice", "heart"))
    passages = split_passages(speech.text)
    if not any(character.isalnum() for character in speech.text):
        raise NothingToDo("The text has no words that can be read aloud.")
    requests = [Speak(model=model, text=each.text, voice=voice, speed=speech.speed) for each in passages]
    return requests, [each.pause_seconds for each in passages]


def passage_samples(space: Space, spoken: Spoken, pause_seconds: float) -> Samples:
    """Read the sound of a passage, with the silence after it."""
    samples, rate = decode(space.store.get(spoken.audio))
    return np.concatenate([samples, np.zeros(round(pause_seconds * rate), np.float32)])


def _record(
    space: Space, speech: Speech, requests: Sequence[Speak], spoken: Sequence[Spoken], pauses: Sequence[float]
) -> tuple[ArtifactRecord, float]:
    """Store the whole file with its record; return the record and the duration in seconds."""
    count = 0

    def chunks() -> Iterator[Samples]:
        nonlocal count
        for answer, pause in zip(spoken, pauses, strict=True):
            samples = passage_samples(space, answer, pause)
            count += len(samples)
            yield samples

    rate = spoken[0].sample_rate
    artifact = space.store.put(encode_whole(chunks(), rate, speech.format), SOUND_MEDIA_TYPES[speech.format])
    return _record_of(space, speech, requests[0], artifact), count / rate


def _record_of(space: Space, speech: Speech, first: Speak, artifact: Artifact) -> ArtifactRecord:
    words = safe_name("-".join(speech.text.split()[:_WORDS_IN_NAME])[:60].replace("/", "-")).strip("-. ") or "speech"
    record, _ = space.records.add(
        ArtifactRecord(
            artifact=artifact,
            project=space.project,
            name=f"{words}.{'ogg' if speech.format == 'opus' else speech.format}",
            producer=space.answers.recipe(first).key,
            labels=("spoken",),
            properties={"text": speech.text[:1000], "voice": first.voice, "findable": False},
        )
    )
    return record
