"""Translate lines and documents with the models of the profile."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten

from flows.library.translation.glossary import terms_for
from flows.running.context import RunContext
from media.errors import ItemError
from media.rewriting.language_tags import Languages
from media.rewriting.passages import Passage, PassageMark
from modalities.translation.detection import detect_language
from modalities.translation.requests import Doubt, Mark, MarkedLine, Translation, requests_for_lines
from modalities.translation.routes import list_sources, route
from modalities.translation.scripts import rewritten

_EXCERPT = 120
"""Characters of a doubtful passage in a report."""
_SAMPLE_PASSAGES = 50
"""The passages of a document from which its language is told."""


class PassageDoubt(Doubt):
    """A doubt about a passage, with the beginning of the passage in both languages."""

    before: str
    after: str


@dataclass(frozen=True)
class TranslatedLines:
    """Translated lines with their marks and alternatives, and where they may be wrong."""

    lines: tuple[MarkedLine, ...]
    doubts: tuple[Doubt, ...]
    alternatives: tuple[tuple[str, ...], ...] = ()

    @property
    def texts(self) -> list[str]:
        return [line.text for line in self.lines]


@dataclass(frozen=True)
class TranslatedDocument:
    """A document in another language, the texts of its passages before and after, and where they may be wrong."""

    data: bytes
    source: str
    passages: tuple[tuple[str, str], ...]
    doubts: tuple[Doubt, ...]


async def translate_lines(
    context: RunContext, lines: Sequence[str | MarkedLine], source: str, target: str, alternatives: int = 0
) -> TranslatedLines:
    """Translate lines one to one, through a second model (a pivot language) if no single model knows the pair.

    The project's glossary is kept. Raises UnsupportedLanguagePair.
    """
    marked = [MarkedLine(text=line) if isinstance(line, str) else line for line in lines]
    doubts: list[Doubt] = []
    others: list[tuple[str, ...]] = []
    hops = route(context.space.catalogue, source, target)
    glossary = await asyncio.to_thread(terms_for, context.space, source, target) if hops else ()
    for hop in hops:
        wanted = alternatives if hop is hops[-1] else 0
        answers = await context.answers(requests_for_lines(hop.model, marked, hop.source, hop.target, glossary, wanted))
        marked, others = [], []
        for answer in answers:
            if isinstance(answer, ItemError):
                raise answer
            assert isinstance(answer, Translation)
            doubts += [Doubt(line=len(marked) + doubt.line, reason=doubt.reason) for doubt in answer.doubts]
            marks = answer.marks or ((),) * len(answer.lines)
            marked += [MarkedLine(text=t, marks=m) for t, m in zip(answer.lines, marks, strict=True)]
            others += answer.alternatives or ((),) * len(answer.lines)
        glossary = tuple((said, said) for _, said in glossary)  # the pivot already has what the target needs
    if not hops:
        marked = [line.model_copy(update={"text": rewritten(line.text, source, target)}) for line in marked]
    return TranslatedLines(tuple(marked), tuple(dict.fromkeys(doubts)), tuple(others))


async def translate_document(
    context: RunContext, data: bytes, ending: str, source: str, target: str
) -> TranslatedDocument:
    """Translate a document of a known format; the sandbox reads and writes it. `source` may be empty.

    Raises UnsupportedMedia, UnreadableMedia, UnknownLanguage, UnsupportedLanguagePair.
    """
    decoders = context.space.platform.decoders
    passages = await asyncio.to_thread(decoders.outline, data, ending)
    source = source or await detected_source(context, [passage.text for passage in passages])
    lines = [MarkedLine(text=each.text, marks=tuple(_mark(mark) for mark in each.marks)) for each in passages]
    translated = await translate_lines(context, lines, source, target)
    answers = [
        Passage(text=line.text, marks=tuple(PassageMark(**mark.model_dump()) for mark in line.marks))
        for line in translated.lines
    ]
    written = await asyncio.to_thread(decoders.rewrite, data, ending, answers, Languages(source, target))
    pairs = zip((passage.text for passage in passages), translated.texts, strict=True)
    return TranslatedDocument(written, source, tuple(pairs), translated.doubts)


def doubts_with_texts(rows: Sequence[tuple[str, str]], doubts: Sequence[Doubt]) -> list[PassageDoubt]:
    """One doubt for each doubtful passage; `rows` are the passages before and after their translation."""
    return [
        PassageDoubt(
            line=line,
            reason=reason,
            before=shorten(rows[line][0], _EXCERPT, placeholder=" …"),
            after=shorten(rows[line][1], _EXCERPT, placeholder=" …"),
        )
        for line, reason in reasons_by_line(doubts).items()
    ]


def reasons_by_line(doubts: Sequence[Doubt]) -> dict[int, str]:
    """All that speaks against the translation of each doubtful line, in sentences."""
    reasons: dict[int, list[str]] = {}
    for doubt in doubts:
        reasons.setdefault(doubt.line, []).append(doubt.reason)
    return {line: " ".join(dict.fromkeys(each)) for line, each in reasons.items()}


async def detected_source(context: RunContext, texts: Sequence[str]) -> str:
    """Tell the language of texts, among those that the models translate from. Raises UnknownLanguage."""
    sample = "\n".join([text for text in texts if text.strip()][:_SAMPLE_PASSAGES])
    return await asyncio.to_thread(detect_language, sample, list_sources(context.space.catalogue))


def _mark(mark: PassageMark) -> Mark:
    return Mark(start=mark.start, end=mark.end, kept=mark.kept)
