"""Make subtitles: transcribe a recording, translate the transcript, and store one set of files per language."""

import asyncio
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.library.markdown import download_links, escaped
from flows.running.content_forms import Recording
from flows.running.context import RunContext
from flows.running.form import (
    Form,
    LanguageTag,
    language_field,
    project_field,
    recording_field,
    spoken_language_field,
    style_field,
)
from flows.running.prefect_context import run_as_flow
from flows.transcribe_audio import find_recording, hear, recording_request, store_subtitles, translate_segments
from media.errors import ItemError
from modalities.speech.subtitles.styles import StyleName
from storage.artifacts import Artifact


class SubtitleOrder(Form):
    """A recording and the languages that its subtitles should be in."""

    recording: str = recording_field()
    languages: list[LanguageTag] = language_field(
        "Languages", "The languages beside the spoken one.", default=[], of="targets"
    )
    language: str = spoken_language_field()
    style: StyleName = style_field()
    project: str = project_field()


class SubtitlesReport(BaseModel):
    """The subtitle files, by language and format; the languages that are missing, each with the reason.

    `doubtful` are the numbers, from 0, of the segments whose translation may be wrong, by language.
    """

    spoken: str
    subtitles: dict[str, dict[Literal["srt", "vtt", "txt"], Artifact]]
    missing: dict[str, str] = {}
    doubtful: dict[str, list[int]] = {}

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
    subtitles = {
        language: await asyncio.to_thread(store_subtitles, context, recording, language, segments, order.style)
    }
    missing: dict[str, str] = {}
    doubtful: dict[str, list[int]] = {}
    for target in order.languages:
        if target in subtitles or not segments:
            continue
        try:
            translated = await translate_segments(context, request, language, segments, target)
        except ItemError as error:
            if error.retryable:
                raise
            missing[target] = str(error)
            continue
        doubtful[target] = sorted(translated.doubtful)
        subtitles[target] = await asyncio.to_thread(
            store_subtitles, context, recording, target, translated.segments, order.style
        )
    files = [
        (f"{recording.name}.{lang}.{end}", file) for lang, formats in subtitles.items() for end, file in formats.items()
    ]
    links = await asyncio.to_thread(download_links, context.space, files)
    notes = [f"- {lang}: {escaped(reason)}" for lang, reason in missing.items()]
    notes += [
        f"- {lang}: {len(rows)} of {len(segments)} segments are doubtful." for lang, rows in doubtful.items() if rows
    ]
    await context.show("subtitles", "\n".join([links, "", *notes]))
    return SubtitlesReport(spoken=language, subtitles=subtitles, missing=missing, doubtful=doubtful)
