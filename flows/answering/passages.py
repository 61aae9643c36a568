"""The passages that may answer a question: those with the nearest vectors, and those with its words."""

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from flows.index.query_vectors import EncodeQueries, encode_for_kinds
from flows.running.context import RunContext
from modalities.answering.questions import Question
from storage.index.parts import Hit, PartKind
from storage.index.search_query import Filters, VectorQuery
from storage.index.word_query import ParsedQuery, word_query

_NEAREST, _WITH_WORDS = 8, 8
"""Artifacts that are looked at, by their vectors and by their words."""
KINDS: tuple[PartKind, ...] = ("text", "speech")
"""The kinds of parts whose vectors are those of texts."""
_TOGETHER_SECONDS = 60.0
"""Spoken segments so near to each other are about the same."""
_HIGHEST = 9.0


@dataclass(frozen=True)
class Passage:
    """A part of an artifact. `logit` tells how near it is to the question; None if its kind has no such vector."""

    artifact: str
    name: str
    kind: PartKind
    text: str
    start_seconds: float | None
    end_seconds: float | None
    place: str
    logit: float | None
    around: str = ""


@dataclass(frozen=True)
class Passages:
    """The passages for a question, the vector query that found them, if there are vectors, and notices for people."""

    found: tuple[Passage, ...]
    vector: VectorQuery | None
    notices: tuple[str, ...]


async def find_passages(
    context: RunContext, question: Question, labels: tuple[str, ...], encode: EncodeQueries
) -> Passages:
    """Search by vectors among texts and speech, and by words among pictures, too."""
    encoded = await encode_for_kinds(context, ParsedQuery(wanted=question.whole), KINDS, encode)
    near, with_words = await asyncio.to_thread(_search, context, question, encoded.vectors, Filters(labels=labels))
    passages = {_key(each): each for each in _passages(near, None)}
    lowest = min((each.logit for each in passages.values() if each.logit is not None), default=0.0)
    for each in _passages(with_words, lowest):
        passages.setdefault(_key(each), each)
    vector = encoded.vectors.get("text") or encoded.vectors.get("speech")
    return Passages(tuple(_with_surroundings(list(passages.values()))), vector, encoded.notices)


def _search(
    context: RunContext, question: Question, vectors: dict[PartKind, VectorQuery], filters: Filters
) -> tuple[list[Hit], list[Hit]]:
    index, project = context.space.index, context.space.project
    near = index.search(project, vectors=vectors, filters=filters, limit=_NEAREST).hits if vectors else []
    if not question.all_words:
        return near, []
    words = " ".join(question.all_words)
    query = word_query(ParsedQuery(wanted=words), words)
    return near, index.search(project, vectors={}, words=query, filters=filters, limit=_WITH_WORDS).hits


def _passages(hits: Iterable[Hit], logit: float | None) -> Iterable[Passage]:
    """Yield the places of hits; their logit is that of their score, or the given one, which pictures do not have."""
    for hit in hits:
        for place in hit.places:
            if not place.text.strip():
                continue
            known = _logit(place.score) if logit is None else logit
            yield Passage(
                artifact=hit.artifact,
                name=hit.name,
                kind=place.kind,
                text=place.text,
                start_seconds=place.start_seconds,
                end_seconds=place.end_seconds,
                place=place.place,
                logit=None if place.kind == "image" else known,
            )


def _with_surroundings(passages: list[Passage]) -> Iterable[Passage]:
    """Yield each passage with what was found near it: spoken segments are short, and one is about the one before."""
    for each in passages:
        spoken = [
            other.text
            for other in passages
            if other.artifact == each.artifact
            and other.start_seconds is not None
            and each.start_seconds is not None
            and abs(other.start_seconds - each.start_seconds) <= _TOGETHER_SECONDS
        ]
        yield replace(each, around=" ".join(spoken) or each.text)


def _key(passage: Passage) -> tuple[object, ...]:
    return (passage.artifact, passage.place, passage.start_seconds, passage.text)


def _logit(score: float) -> float:
    return max(min(math.log(max(score, 1e-9) / max(1 - score, 1e-9)), _HIGHEST), -_HIGHEST)
