"""Make subtitles: transcribe a recording, translate the transcript, and store one set of files per language."""

import asyncio
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel, Field

from flows.library.markdown import download_links
from flows.running.context import RunContext
from flows.running.form import Form, project_field, recording_field
from flows.running.prefect_context import run_as_flow
from flows.transcribe_audio import store_subtitles, transcribe_recording, translate_segments
from storage.artifacts import Artifact


class SubtitleOrder(Form):
    """A recording and the languages that its subtitles should be in."""

    recording: str = recording_field()
    languages: list[Literal["en", "de", "fr", "es", "zh", "it", "pt", "nl", "ru", "ja", "ko"]] = Field(
        default=[], title="Languages", description="The languages beside the spoken one."
    )
    language: str = Field(
        default="", title="Spoken language", description="Such as en; empty to detect it.", max_length=12
    )
    project: str = project_field()


class SubtitlesReport(BaseModel):
    """The subtitle files, by language and format."""

    spoken: str
    subtitles: dict[str, dict[Literal["srt", "vtt", "txt"], Artifact]]

    def __str__(self) -> str:
        return f"Subtitles in {', '.join(self.subtitles)}."


@flow(name="subtitle-media")
async def subtitle_media(order: SubtitleOrder) -> State[Any]:
    """Subtitle a recording in its own language and in others."""
    return await run_as_flow(order.project, lambda context: subtitle(context, order))


async def subtitle(context: RunContext, order: SubtitleOrder) -> SubtitlesReport:
    """Transcribe once, translate the segments into each language, store the files."""
    recording, transcript, segments = await transcribe_recording(context, order.recording, order.language)
    language = transcript.language
    subtitles = {language: await asyncio.to_thread(store_subtitles, context, recording, language, segments)}
    for target in order.languages:
        if target not in subtitles and segments:
            translated = await translate_segments(context, recording, language, segments, target)
            subtitles[target] = await asyncio.to_thread(store_subtitles, context, recording, target, translated)
    files = [
        (f"{recording.name}.{lang}.{end}", file) for lang, formats in subtitles.items() for end, file in formats.items()
    ]
    await context.show("subtitles", await asyncio.to_thread(download_links, context.space, files))
    return SubtitlesReport(spoken=language, subtitles=subtitles)
