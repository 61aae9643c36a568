"""Transcribe a recording, in its own language or translated into another."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.library.hearing import transcript
from flows.library.inputs import InputArtifact, resolve_input
from flows.library.markdown import download_links, transcript_page
from flows.library.speaking.speakers import tell_speakers
from flows.library.translation.documents import translate_lines
from flows.running.content_forms import Recording
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from flows.running.prefect_context import run_as_flow
from media.errors import UnsupportedMedia
from media.rewriting.cues import TimedText, joined_text, sentence_groups, share_out
from modalities.speech.languages import separator, spoken_language
from modalities.speech.requests import Transcribe, Transcript, read_segments
from modalities.speech.segments import Segment, spoken_by
from modalities.speech.speakers import named
from modalities.speech.subtitles.cues import cues, translated_segments
from modalities.speech.subtitles.formats import to_srt, to_text, to_vtt
from modalities.speech.subtitles.styles import STYLES, StyleName
from storage.artifacts import Artifact
from storage.records import ArtifactRecord

_MOST_CHANNELS = 8
Listen = Callable[[RunContext, Transcribe], Awaitable[tuple[Transcript, tuple[Segment, ...]]]]
"""What hears a recording: all of it at once, or each channel by itself."""


@dataclass(frozen=True)
class TranslatedSegments:
    """Segments in another language, and the numbers of those whose translation may be wrong."""

    segments: tuple[Segment, ...]
    doubtful: frozenset[int] = frozenset()


class TranscriptReport(BaseModel):
    """The text of a recording, its segments with times, and the subtitle files.

    `doubtful` are the numbers, from 0, of the segments whose translation may be wrong.
    """

    language: str
    duration_seconds: float
    text: str
    segments: list[Segment]
    files: dict[Literal["srt", "vtt", "txt"], Artifact]
    doubtful: list[int] = []

    @property
    def running_text(self) -> str:
        """The text in one line: sentences with a space between them where the language has spaces."""
        between = separator(self.language)
        return between.join(text for segment in self.segments if (text := " ".join(segment.text.split())))

    def __str__(self) -> str:
        return f"{len(self.segments)} segments in {self.language}."


@flow(name="transcribe-audio")
async def transcribe_audio(recording: Recording) -> State[Any]:
    """Transcribe a recording, and keep the text as SRT, VTT and plain text."""
    return await run_as_flow(recording.project, lambda context: transcribe(context, recording))


async def transcribe(context: RunContext, recording: Recording) -> TranscriptReport:
    """Transcribe, then translate if the form names another language."""
    source = await find_recording(context, recording.recording)
    request = recording_request(context, source, recording)
    listen = _hear_channels if recording.channels == "separate" else hear
    heard, segments = await listen(context, request)
    language, doubtful = heard.language, list[int]()
    if recording.to and recording.to != language and segments:
        translated = await translate_segments(context, request, language, segments, recording.to, listen)
        segments, doubtful = translated.segments, sorted(translated.doubtful)
        language = recording.to
    shown = segments
    if recording.speakers and segments:
        segments = await tell_speakers(context, source.artifact, recording.track, segments)
        shown = named(segments)
    files = await asyncio.to_thread(store_subtitles, context, source, language, shown, recording.style)
    rows = [(segment.start_seconds, segment.text) for segment in shown]
    links = await asyncio.to_thread(
        download_links, context.space, [(f"{source.name}.{language}.{ending}", file) for ending, file in files.items()]
    )
    await context.show("transcript", f"{transcript_page(source.name, language, rows)}\n\n{links}")
    return TranscriptReport(
        language=language,
        duration_seconds=heard.duration_seconds,
        text=to_text(shown),
        segments=list(segments),
        files=files,
        doubtful=doubtful,
    )


async def find_recording(context: RunContext, identity: str) -> InputArtifact:
    """Find a recording. Raises NothingToDo if the artifact is none."""
    found = await asyncio.to_thread(resolve_input, context.space, identity)
    if found.kind != "speech":
        raise NothingToDo(f"{found.name} is no recording but {found.artifact.media_type}: name an audio or video file.")
    return found


def recording_request(context: RunContext, source: InputArtifact, recording: Recording) -> Transcribe:
    """Build the request of a form."""
    return Transcribe(
        model=recording.model or context.space.profile.speech,
        audio=source.artifact,
        language=spoken_language(recording.language),
        prompt=recording.prompt,
        vocabulary=tuple(word for each in recording.vocabulary if (word := each.strip())),
        vad=recording.vad,
        track=recording.track,
    )


async def hear(context: RunContext, request: Transcribe) -> tuple[Transcript, tuple[Segment, ...]]:
    """Transcribe a recording; return the transcript and its segments. Raises ItemError."""
    found = await transcript(context, request)
    return found, await asyncio.to_thread(read_segments, context.space.store, found)


async def _hear_channels(context: RunContext, request: Transcribe) -> tuple[Transcript, tuple[Segment, ...]]:
    """Transcribe each channel by itself; return the first transcript, and the segments of all, marked by channel."""
    heard: list[tuple[Transcript, tuple[Segment, ...]]] = []
    for channel in range(_MOST_CHANNELS):
        try:
            heard.append(await hear(context, request.model_copy(update={"channel": channel})))
        except UnsupportedMedia:
            if not heard:
                raise
            break  # there is no such channel
    marked = [
        spoken_by(f"Channel {number}", segment)
        for number, (_, segments) in enumerate(heard, start=1)
        for segment in segments
    ]
    fullest = max(heard, key=lambda each: len(each[1]))[0]
    return fullest, tuple(sorted(marked, key=lambda segment: segment.start_seconds))


async def translate_segments(
    context: RunContext,
    request: Transcribe,
    language: str,
    segments: tuple[Segment, ...],
    target: str,
    listen: Listen = hear,
) -> TranslatedSegments:
    """Translate segments: into English by the speech model from the sound, into other languages from the text.

    `request` is the one whose segments these are, as `listen` heard them; `language` is the spoken one. A sentence that
    runs over several segments is translated as one, and shared out over them again.
    """
    if target == "en":
        into_english = request.model_copy(update={"language": language, "task": "translate"})
        return TranslatedSegments((await listen(context, into_english))[1])
    timed = [TimedText(each.text, each.start_seconds, each.end_seconds) for each in segments]
    groups = sentence_groups(timed)
    sentences = [joined_text([timed[number].text for number in group]) for group in groups]
    translated = await translate_lines(context, sentences, language, target)
    texts: list[str] = []
    for group, sentence in zip(groups, translated.texts, strict=True):
        texts += share_out(sentence, [len(timed[number].text.strip()) for number in group])
    doubtful = {number for doubt in translated.doubts for number in groups[doubt.line]}
    return TranslatedSegments(translated_segments(segments, texts), frozenset(doubtful))


def store_subtitles(
    context: RunContext,
    recording: InputArtifact,
    language: str,
    segments: tuple[Segment, ...],
    style: StyleName = "netflix",
) -> dict[Literal["srt", "vtt", "txt"], Artifact]:
    """Store subtitles and plain text; record them as children of the recording if the library has it."""
    subtitle_cues = cues(segments, STYLES[style])
    files: dict[Literal["srt", "vtt", "txt"], tuple[str, str]] = {
        "srt": ("application/x-subrip", to_srt(subtitle_cues)),
        "vtt": ("text/vtt", to_vtt(subtitle_cues)),
        "txt": ("text/plain", to_text(segments)),
    }
    kept: dict[Literal["srt", "vtt", "txt"], Artifact] = {}
    for ending, (media_type, text) in files.items():
        kept[ending] = context.space.store.put(text.encode(), media_type)
        if recording.record is None:
            continue
        context.space.records.add(
            ArtifactRecord(
                artifact=kept[ending],
                project=context.space.project,
                name=f"{recording.name}.{language}.{ending}",
                parents=(recording.artifact.sha256,),
                labels=("subtitles",),
                properties={"language": language, "findable": False},
            )
        )
    return kept
