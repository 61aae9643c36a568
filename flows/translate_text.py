"""Translate a text line by line."""

import asyncio
from collections.abc import Sequence
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.library.markdown import escaped
from flows.running.content_forms import Text
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from flows.running.prefect_context import run_as_flow
from media.errors import ItemError
from media.identify import read_text
from modalities.translation.languages import detect_language
from modalities.translation.requests import Translation, requests_for_lines
from modalities.translation.routes import route


class TranslationReport(BaseModel):
    """The text in the other language, with as many lines as the original."""

    text: str
    source: str
    target: str

    def __str__(self) -> str:
        return f"{len(self.text.splitlines())} lines from {self.source} to {self.target}."


@flow(name="translate-text")
async def translate_text(text: Text) -> State[Any]:
    """Translate a text into another language, line by line."""
    return await run_as_flow(text.project, lambda context: translate(context, text))


async def translate(context: RunContext, text: Text) -> TranslationReport:
    """Detect the language unless the form names it, and translate every line."""
    original = await asyncio.to_thread(_source_text, context, text)
    source = text.source or await asyncio.to_thread(detect_language, original)
    lines = await translate_lines(context, original.split("\n"), source, text.target)
    report = TranslationReport(text="\n".join(lines), source=source, target=text.target)
    rows = zip(original.split("\n")[:200], lines[:200], strict=False)
    table = "\n".join(f"| {escaped(before)} | {escaped(after)} |" for before, after in rows)
    await context.show("translation", f"| {source} | {text.target} |\n|---|---|\n{table}")
    return report


async def translate_lines(context: RunContext, lines: Sequence[str], source: str, target: str) -> list[str]:
    """Translate lines one to one, through a second model (a pivot language) if no single model knows the pair."""
    translated = list(lines)
    for hop in route(context.space.catalogue, source, target):
        answers = await context.answers(requests_for_lines(hop.model, translated, hop.source, hop.target))
        translated = []
        for answer in answers:
            if isinstance(answer, ItemError):
                raise answer
            assert isinstance(answer, Translation)
            translated += answer.lines
    return translated


def _source_text(context: RunContext, text: Text) -> str:
    if text.artifact:
        record = context.space.records.resolve(text.artifact)
        if record.kind != "text":
            raise NothingToDo(f"{record.name} is no text but {record.artifact.media_type}: name a text.")
        return read_text(context.space.store.get(record.artifact))
    if not text.text.strip():
        raise NothingToDo("There is no text: write one, or name a stored text.")
    return text.text
