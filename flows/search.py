"""Search: one query finds pictures, spoken moments and texts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.library.inputs import InputArtifact, resolve_input
from flows.running.content_forms import Query
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from flows.running.markdown import search_page
from flows.running.prefect_context import run_as_flow
from media.identify import read_text
from modalities.embedding.open_clip import Embedding, EmbedImage, EmbedText, read_vector
from storage.index.search_index import Hit, PartKind

KINDS: tuple[PartKind, ...] = ("image", "speech", "text")
_MEANINGFUL = 2000


class SearchReport(BaseModel):
    """The hits, best first."""

    hits: list[Hit]

    def __str__(self) -> str:
        return f"{len(self.hits)} hits."


@flow(name="search")
async def search(query: Query) -> State[Any]:
    """Find pictures, spoken moments and texts by what they mean."""
    return await run_as_flow(query.project, lambda context: _find_and_show(context, query))


async def _find_and_show(context: RunContext, query: Query) -> SearchReport:
    report = await find(context, query)
    page = await asyncio.to_thread(search_page, context.space, query.words or query.like, report.hits)
    await context.show("hits", page)
    return report


Embed = Callable[[RunContext, Sequence[str], str], Awaitable[list[list[float]]]]
"""Gives the vectors of words, as a question, one for each model."""


async def asked(context: RunContext, models: Sequence[str], words: str) -> list[list[float]]:
    """The vectors by requests, whose answers are kept."""
    answers = await context.answers([EmbedText(model=model, text=words, role="query") for model in models])
    return [await _vector(context, answer) for answer in answers]


async def find(context: RunContext, query: Query, embed: Embed = asked) -> SearchReport:
    """Embed the question once per space and ask the index."""
    words = query.words.replace("\0", " ").strip()  # which no database takes
    vectors = await _wanted(context, query, words, embed)
    hits = await asyncio.to_thread(
        context.space.index.search,
        context.space.project,
        vectors=vectors,
        words=words or None,
        kinds=tuple(query.kinds),
        labels=tuple(label.replace("\0", "") for label in query.labels),
        limit=query.limit,
        offset=query.offset,
        since=query.since,
        until=query.until,
    )
    return SearchReport(hits=hits)


Vectors = dict[PartKind, tuple[str, list[float]]]


async def _wanted(context: RunContext, query: Query, words: str, embed: Embed) -> Vectors:
    """What hits should be near to, in the space of each kind."""
    if not query.like and not words:
        raise NothingToDo("The search has no words: say what to look for, or name an artifact to compare with.")
    if not query.like:
        return await _meaning(context, words, query.kinds, embed)
    vectors = await _resemblance(context, await asyncio.to_thread(resolve_input, context.space, query.like), embed)
    return _between(vectors, await _meaning(context, words, list(vectors), embed)) if words else vectors


async def _meaning(context: RunContext, words: str, kinds: list[Any], embed: Embed) -> Vectors:
    """The words in the space of each kind: pictures through their text tower, the others as a query."""
    profile = context.space.profile
    models: dict[PartKind, str] = {
        kind: profile.pictures if kind == "image" else profile.passages for kind in KINDS if kind in kinds
    }
    names = list(dict.fromkeys(models.values()))
    vectors = dict(zip(names, await embed(context, names, words), strict=True))
    return {kind: (context.space.platform.vector_space(name), vectors[name]) for kind, name in models.items()}


async def _resemblance(context: RunContext, likeness: InputArtifact, embed: Embed) -> Vectors:
    """A picture looks for pictures; a text looks for everything."""
    if likeness.kind == "image":
        model = context.space.profile.pictures
        answer = await context.answer(EmbedImage(model=model, image=likeness.artifact))
        return {"image": (context.space.platform.vector_space(model), await _vector(context, answer))}
    if likeness.kind == "text":
        text = read_text(await asyncio.to_thread(context.space.store.get, likeness.artifact))
        return await _meaning(context, text[:_MEANINGFUL], list(KINDS), embed)
    raise NothingToDo(f"{likeness.name} is neither a picture nor a text: search for the words that are said in it.")


def _between(likenesses: Vectors, meanings: Vectors) -> Vectors:
    """Half way between what something is like and what words mean, in the space of each kind."""
    found: Vectors = {}
    for kind, (space, likeness) in likenesses.items():
        middle = np.array(likeness) + np.array(meanings[kind][1])
        found[kind] = (space, (middle / max(float(np.linalg.norm(middle)), 1e-9)).tolist())
    return found


async def _vector(context: RunContext, answer: Any) -> list[float]:
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, Embedding)
    vector = await asyncio.to_thread(read_vector, context.space.store, answer)
    return vector.tolist()
