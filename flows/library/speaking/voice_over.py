"""A voice-over: the sentences of subtitles read aloud, each from when it is said, and the film with it as a track."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import langcodes
import numpy as np
from pydantic import BaseModel

from flows.library.inputs import InputArtifact
from flows.running.context import RunContext
from flows.running.platform import Space
from media.audio.channels import Samples
from media.audio.files import SOUND_MEDIA_TYPES, decode, encode_whole
from media.errors import ItemError
from media.recordings.added_track import FILM_ENDINGS
from media.rewriting.cues import TimedText, joined_text, sentence_groups
from modalities.errors import InvalidRequest, UnknownModel
from modalities.speaking.requests import Speak, Spoken
from modalities.speaking.schedule import begins, paces
from modalities.speech.subtitles.cues import Cue
from storage.artifacts import Artifact
from storage.records import ArtifactRecord

_CHUNK_SECONDS = 30


class VoiceOver(BaseModel):
    """The sound of a voice-over, as long as the recording, and the film with it as a further track, if asked for.

    `fastest_pace` is how many times faster than its own pace the voice speaks at most. `latest_seconds` is how long
    after its sentence is said an utterance begins at most. `no_film` says why there is no film.
    """

    language: str
    sound: Artifact
    film: Artifact | None = None
    fastest_pace: float
    latest_seconds: float
    no_film: str = ""


@dataclass(frozen=True)
class _Utterance:
    text: str
    start_seconds: float


def check_voice(space: Space, language: str) -> str:
    """Return the profile's model that reads aloud. Raises UnknownModel, InvalidRequest if it lacks the language."""
    model = space.profile.speaking
    if model is None:
        raise UnknownModel("The profile names no model that reads aloud: add `speaking` to it in models.yaml.")
    languages = space.catalogue.spec(model).options.get("languages", ["en"])
    if langcodes.Language.get(language).language not in languages:
        raise InvalidRequest(f"The voice {model} speaks {', '.join(languages)} and not {language}.")
    return model


async def speak_over(
    context: RunContext,
    recording: InputArtifact,
    language: str,
    cues: Sequence[Cue],
    duration_seconds: float,
    *,
    with_film: bool,
) -> VoiceOver:
    """Speak the sentences of the cues, faster where there is little time, and record the files. Raises ItemError."""
    space = context.space
    model = check_voice(space, language)
    voice = str(space.catalogue.spec(model).options.get("voice", "heart"))
    utterances = _utterances(cues)
    if not utterances:
        raise InvalidRequest("Nothing is said that could be read aloud.")

    async def spoken(speeds: Sequence[float]) -> list[Spoken | None]:
        asked = [
            Speak(model=model, text=each.text, voice=voice, speed=speed)
            for each, speed in zip(utterances, speeds, strict=True)
        ]
        return _without_unspeakable(await context.answers(asked))

    starts = [each.start_seconds for each in utterances]
    at_ease = await spoken([1.0] * len(utterances))
    total = max(duration_seconds, cues[-1].end_seconds)
    speeds = paces(starts, _durations(at_ease), total)
    answers = await spoken(speeds)
    times = begins(starts, _durations(answers))
    late = max(time - start for time, start in zip(times, starts, strict=True))
    sound = await asyncio.to_thread(_store_sound, space, answers, times, total)
    film, reason = None, ""
    if with_film:
        film, reason = await asyncio.to_thread(_store_film, space, recording, sound, language)
    await asyncio.to_thread(_record, space, recording, language, sound, film)
    return VoiceOver(
        language=language,
        sound=sound,
        film=film,
        fastest_pace=max(speeds),
        latest_seconds=round(late, 2),
        no_film=reason,
    )


def _utterances(cues: Sequence[Cue]) -> list[_Utterance]:
    """Join the cues that a sentence runs over."""
    timed = [TimedText(each.text.replace("\n", " "), each.start_seconds, each.end_seconds) for each in cues]
    found = [
        _Utterance(joined_text([timed[number].text for number in group]), timed[group[0]].start_seconds)
        for group in sentence_groups(timed)
    ]
    return [each for each in found if any(character.isalnum() for character in each.text)]


def _without_unspeakable(answers: Sequence[object]) -> list[Spoken | None]:
    """Return the sounds, with None for a text that the voice cannot say. Raises the error if there is no sound."""
    errors = [answer for answer in answers if isinstance(answer, ItemError)]
    fatal = [error for error in errors if error.retryable or len(errors) == len(answers)]
    if fatal:
        raise fatal[0]
    return [answer if isinstance(answer, Spoken) else None for answer in answers]


def _durations(answers: Sequence[Spoken | None]) -> list[float]:
    return [answer.duration_seconds if answer else 0.0 for answer in answers]


def _store_sound(space: Space, answers: Sequence[Spoken | None], times: Sequence[float], total: float) -> Artifact:
    """Store the whole track: silence, and each utterance from its time on."""
    rate = next(answer.sample_rate for answer in answers if answer)

    def chunks() -> Iterator[Samples]:
        written = 0
        for answer, begin in zip(answers, times, strict=True):
            if answer is None:
                continue
            for silence in _silence(round(begin * rate) - written, rate):
                written += len(silence)
                yield silence
            samples, _ = decode(space.store.get(answer.audio))
            written += len(samples)
            yield samples
        yield from _silence(round(total * rate) - written, rate)

    return space.store.put(encode_whole(chunks(), rate, "m4a"), SOUND_MEDIA_TYPES["m4a"])


def _silence(count: int, rate: int) -> Iterator[Samples]:
    for start in range(0, count, _CHUNK_SECONDS * rate):
        yield np.zeros(min(_CHUNK_SECONDS * rate, count - start), np.float32)


def _store_film(space: Space, recording: InputArtifact, sound: Artifact, language: str) -> tuple[Artifact | None, str]:
    """Store the film with the sound as a further track; return why there is none if it cannot be made."""
    if not recording.artifact.media_type.startswith("video/"):
        return None, f"{recording.name} is no film, so there is no film with the voice-over."
    with tempfile.TemporaryDirectory(prefix="triptych-") as folder, space.store.local(recording.artifact) as film:
        voice = Path(folder) / "voice"
        voice.write_bytes(space.store.get(sound))
        try:
            code = langcodes.Language.get(language).to_alpha3()
            media_type, data = space.platform.decoders.add_track(film, voice, code)
        except ItemError as error:
            if error.retryable:
                raise
            return None, str(error)
    return space.store.put(data, media_type), ""


def _record(space: Space, recording: InputArtifact, language: str, sound: Artifact, film: Artifact | None) -> None:
    """Record the files as children of the recording, if the library has it."""
    if recording.record is None:
        return
    files = [(sound, "m4a"), *([(film, FILM_ENDINGS[film.media_type])] if film else [])]
    for artifact, ending in files:
        space.records.add(
            ArtifactRecord(
                artifact=artifact,
                project=space.project,
                name=f"{recording.name}.{language}.{ending}",
                parents=(recording.artifact.sha256,),
                labels=("spoken",),
                properties={"language": language, "findable": False},
            )
        )
