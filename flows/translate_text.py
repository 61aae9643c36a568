"""Translate a text line by line."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
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
from modalities.translation.requests import Doubt, MarkedLine, Translation, requests_for_lines
from modalities.translation.routes import route
from modalities.translation.scripts import rewritten


class TranslationReport(BaseModel):
    """The text in the other language, with as many lines as the original, and where it may be wrong."""

    text: str
    source: str
    target: str
    doubts: list[Doubt] = []

    def __str__(self) -> str:
        lines, doubtful = len(self.text.splitlines()), len({doubt.line for doubt in self.doubts})
        return f"{lines} lines from {self.source} to {self.target}, {doubtful} of them doubtful."


@dataclass(frozen=True)
class TranslatedLines:
    """Translated lines with their marks, and where they may be wrong."""

    lines: tuple[MarkedLine, ...]
    doubts: tuple[Doubt, ...]

    @property
    def texts(self) -> list[str]:
        return [line.text for line in self.lines]


@flow(name="translate-text")
async def translate_text(text: Text) -> State[Any]:
    """Translate a text into another language, line by line."""
    return await run_as_flow(text.project, lambda context: translate(context, text))


async def translate(context: RunContext, text: Text) -> TranslationReport:
    """Detect the language unless the form names it, and translate every line."""
    original = await asyncio.to_thread(_source_text, context, text)
    source = text.source or await asyncio.to_thread(detect_language, original)
    translated = await translate_lines(context, original.split("\n"), source, text.target)
    report = TranslationReport(
        text="\n".join(translated.texts), source=source, target=text.target, doubts=list(translated.doubts)
    )
    rows = zip(original.split("\n")[:200], translated.texts[:200], strict=False)
    table = "\n".join(f"| {escaped(before)} | {escaped(after)} |" for before, after in rows)
    await context.show("translation", f"| {source} | {text.target} |\n|---|---|\n{table}")
    return report


async def translate_lines(
    context: RunContext,
    lines: Sequence[str | MarkedLine],
    source: str,
    target: str,
    glossary: Sequence[tuple[str, str]] = (),
) -> TranslatedLines:
    """Translate lines one to one, through a second model (a pivot language) if no single model knows the pair.

    Raises UnsupportedLanguagePair.
    """
    marked = [MarkedLine(text=line) if isinstance(line, str) else line for line in lines]
    doubts: list[Doubt] = []
    hops = route(context.space.catalogue, source, target)
    for hop in hops:
        terms = glossary if len(hops) == 1 else [(term, term) for term, said in glossary if term == said]
        asked = requests_for_lines(hop.model, marked, hop.source, hop.target, terms)
        answers = await context.answers(asked)
        marked = []
        for answer in answers:
            if isinstance(answer, ItemError):
                raise answer
            assert isinstance(answer, Translation)
            doubts += [Doubt(line=len(marked) + doubt.line, reason=doubt.reason) for doubt in answer.doubts]
            marks = answer.marks or ((),) * len(answer.lines)
            marked += [MarkedLine(text=t, marks=m) for t, m in zip(answer.lines, marks, strict=True)]
    if not hops:
        marked = [line.model_copy(update={"text": rewritten(line.text, source, target)}) for line in marked]
    return TranslatedLines(tuple(marked), tuple(dict.fromkeys(doubts)))


def _source_text(context: RunContext, text: Text) -> str:
    if text.artifact:
        record = context.space.records.resolve(text.artifact)
        if record.kind != "text":
            raise NothingToDo(f"{record.name} is no text but {record.artifact.media_type}: name a text.")
        return read_text(context.space.store.get(record.artifact))
    if not text.text.strip():
        raise NothingToDo("There is no text: write one, or name a stored text.")
    return text.text
