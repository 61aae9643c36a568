"""Make subtitles: transcribe a recording, translate the transcript, and store one set of files per language."""

import asyncio
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.library.inputs import InputArtifact
from flows.library.markdown import download_links, escaped
from flows.library.speaking.form import SubtitleOrder
from flows.library.speaking.voice_over import VoiceOver, speak_over
from flows.running.content_forms import Recording
from flows.running.context import RunContext
from flows.running.prefect_context import run_as_flow
from flows.transcribe_audio import find_recording, hear, recording_request, store_subtitles, translate_segments
from media.errors import ItemError
from modalities.speech.subtitles.cues import Cue, cues
from modalities.speech.subtitles.styles import STYLES
from storage.artifacts import Artifact


class SubtitlesReport(BaseModel):
    """The subtitle files, by language and format; the languages that are missing, each with the reason.

    `doubtful` are the numbers, from 0, of the segments whose translation may be wrong, by language. `no_voice_over`
    says why there is no voice-over if one was asked for.
    """

    spoken: str
    subtitles: dict[str, dict[Literal["srt", "vtt", "txt"], Artifact]]
    missing: dict[str, str] = {}
    doubtful: dict[str, list[int]] = {}
    voice_over: VoiceOver | None = None
    no_voice_over: str = ""

    def __str__(self) -> str:
        missing = f" Missing: {', '.join(self.missing)}." if self.missing else ""
        return f"Subtitles in {', '.join(self.subtitles)}.{missing}"


@flow(name="subtitle-media")
async def subtitle_media(order: SubtitleOrder) -> State[Any]:
    """Subtitle a recording in its own language and in others."""
    return await run_as_flow(order.project, lambda context: subtitle(context, order))


async def subtitle(context: RunContext, order: SubtitleOrder) -> SubtitlesReport:
    """Transcribe once, translate the segments into each language that a model knows, store the files."""
    recording = await find_recording(context, order.recording)
    form = Recording(recording=order.recording, language=order.language, project=order.project)
    request = recording_request(context, recording, form)
    transcript, segments = await hear(context, request)
    language = transcript.language
    in_language = {language: segments}
    missing: dict[str, str] = {}
    doubtful: dict[str, list[int]] = {}
    for target in [*order.languages, *([order.voice_over] if order.voice_over else [])]:
        if target in in_language or target in missing or not segments:
            continue
        try:
            translated = await translate_segments(context, request, language, segments, target)
        except ItemError as error:
            if error.retryable:
                raise
            missing[target] = str(error)
            continue
        doubtful[target] = sorted(translated.doubtful)
        in_language[target] = translated.segments
    subtitles = {
        target: await asyncio.to_thread(store_subtitles, context, recording, target, said, order.style)
        for target, said in in_language.items()
    }
    files = [
        (f"{recording.name}.{lang}.{end}", file) for lang, formats in subtitles.items() for end, file in formats.items()
    ]
    voice_over, no_voice_over = None, missing.get(order.voice_over, "")
    if order.voice_over in in_language:
        shown = cues(in_language[order.voice_over], STYLES[order.style])
        voice_over, no_voice_over = await _voice_over(context, order, recording, shown, transcript.duration_seconds)
    if voice_over:
        files.append((f"{recording.name}.{voice_over.language}.m4a", voice_over.sound))
    links = await asyncio.to_thread(download_links, context.space, files)
    notes = [f"- {lang}: {escaped(reason)}" for lang, reason in missing.items()]
    notes += [
        f"- {lang}: {len(rows)} of {len(segments)} segments are doubtful." for lang, rows in doubtful.items() if rows
    ]
    notes += [f"- {escaped(reason)}" for reason in (no_voice_over, voice_over.no_film if voice_over else "") if reason]
    await context.show("subtitles", "\n".join([links, "", *notes]))
    return SubtitlesReport(
        spoken=language,
        subtitles=subtitles,
        missing=missing,
        doubtful=doubtful,
        voice_over=voice_over,
        no_voice_over=no_voice_over,
    )


async def _voice_over(
    context: RunContext,
    order: SubtitleOrder,
    recording: InputArtifact,
    shown: tuple[Cue, ...],
    duration_seconds: float,
) -> tuple[VoiceOver | None, str]:
    """Return the voice-over that the order asks for, or why there is none."""
    try:
        made = await speak_over(
            context, recording, order.voice_over, shown, duration_seconds, with_film=order.with_film
        )
        return made, ""
    except ItemError as error:
        if error.retryable:
            raise
        return None, str(error)
