"""Translate a text line by line."""

import asyncio
from collections.abc import Sequence
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.library.inputs import InputArtifact
from flows.library.markdown import escaped
from flows.library.reading.contents import full_text
from flows.library.translation.documents import (
    PassageDoubt,
    detected_source,
    doubts_with_texts,
    reasons_by_line,
    translate_document,
    translate_lines,
)
from flows.running.content_forms import Text
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from flows.running.prefect_context import run_as_flow
from media.identify import read_text
from modalities.translation.requests import Doubt

ENDINGS = {"paragraphs": ".txt", "markdown": ".md", "html": ".html", "srt": ".srt", "vtt": ".vtt"}
"""The endings of documents by the formats of the form."""
_ROWS_SHOWN = 200


class TranslationReport(BaseModel):
    """The text in the other language, with as many lines as the original, and where it may be wrong."""

    text: str
    source: str
    target: str
    doubts: list[PassageDoubt] = []

    def __str__(self) -> str:
        lines, doubtful = len(self.text.splitlines()), len({doubt.line for doubt in self.doubts})
        return f"{lines} lines from {self.source} to {self.target}, {doubtful} of them doubtful."


@flow(name="translate-text")
async def translate_text(text: Text) -> State[Any]:
    """Translate a text into another language, line by line."""
    return await run_as_flow(text.project, lambda context: translate(context, text))


async def translate(context: RunContext, text: Text) -> TranslationReport:
    """Detect the language unless the form names it, and translate every line, or the document that the text is."""
    original = await asyncio.to_thread(_source_text, context, text)
    if text.format == "text":
        source = text.source or await detected_source(context, [original])
        translated = await translate_lines(context, original.split("\n"), source, text.target)
        said, doubts = "\n".join(translated.texts), translated.doubts
        rows = list(zip(original.split("\n"), translated.texts, strict=True))
    else:
        ending = ENDINGS[text.format]
        document = await translate_document(context, original.encode(), ending, text.source, text.target)
        source, said, doubts = document.source, document.data.decode(), document.doubts
        rows = list(document.passages)
    await context.show("translation", translation_page(source, text.target, rows, doubts))
    return TranslationReport(text=said, source=source, target=text.target, doubts=doubts_with_texts(rows, doubts))


def translation_page(source: str, target: str, rows: Sequence[tuple[str, str]], doubts: Sequence[Doubt]) -> str:
    """Render texts before and after, and why some of them may be wrong."""
    reasons = reasons_by_line(doubts)
    table = "\n".join(
        f"| {escaped(before)} | {escaped(after)} | {escaped(reasons.get(number, ''))} |"
        for number, (before, after) in enumerate(rows[:_ROWS_SHOWN])
    )
    return f"| {source} | {target} | doubtful |\n|---|---|---|\n{table}"


def _source_text(context: RunContext, text: Text) -> str:
    if text.artifact:
        record = context.space.records.resolve(text.artifact)
        if record.kind != "text":
            raise NothingToDo(f"{record.name} is no text but {record.artifact.media_type}: name a text.")
        if text.format in ("text", "paragraphs"):
            return full_text(context.space, InputArtifact(record.artifact, record))
        return read_text(context.space.store.get(record.artifact))  # with its markup
    if not text.text.strip():
        raise NothingToDo("There is no text: write one, or name a stored text.")
    return text.text
