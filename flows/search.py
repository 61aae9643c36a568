"""Search pictures, spoken segments and texts by meaning."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.library.inputs import InputArtifact, resolve_input
from flows.library.markdown import search_page
from flows.library.reading.contents import full_text, shown_picture
from flows.running.content_forms import Query
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from flows.running.prefect_context import run_as_flow
from modalities.embedding.requests import Embedding, EmbedImage, EmbedText, read_vector
from storage.index.parts import Hit, PartKind

KINDS: tuple[PartKind, ...] = ("image", "speech", "text")
_QUERY_CHARACTERS = 2000
"""How much of a stored text is embedded to search for similar artifacts."""


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


EmbedQuery = Callable[[RunContext, Sequence[str], str], Awaitable[list[list[float]]]]
"""Embed words as a query, with each of the models."""


async def embed_by_requests(context: RunContext, models: Sequence[str], words: str) -> list[list[float]]:
    """Embed words by requests, whose answers are stored."""
    answers = await context.answers([EmbedText(model=model, text=words, role="query") for model in models])
    return [await _vector(context, answer) for answer in answers]


async def find(context: RunContext, query: Query, embed: EmbedQuery = embed_by_requests) -> SearchReport:
    """Embed the query once per vector space and search the index."""
    words = query.words.replace("\0", " ").strip()  # Postgres stores no NUL
    vectors = await _query_vectors(context, query, words, embed)
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
"""The name of a vector space and a vector in it, by kind."""


async def _query_vectors(context: RunContext, query: Query, words: str, embed: EmbedQuery) -> Vectors:
    """Embed the query in the vector space of each kind."""
    if not query.like and not words:
        raise NothingToDo("The search has no words: say what to look for, or name an artifact to compare with.")
    if not query.like:
        return await _word_vectors(context, words, query.kinds, embed)
    vectors = await _artifact_vectors(context, await asyncio.to_thread(resolve_input, context.space, query.like), embed)
    return _mean_vectors(vectors, await _word_vectors(context, words, list(vectors), embed)) if words else vectors


async def _word_vectors(context: RunContext, words: str, kinds: list[Any], embed: EmbedQuery) -> Vectors:
    """Embed words in the vector space of each kind: with the picture model's text encoder, or the passage model."""
    profile = context.space.profile
    models: dict[PartKind, str] = {
        kind: profile.pictures if kind == "image" else profile.passages for kind in KINDS if kind in kinds
    }
    names = list(dict.fromkeys(models.values()))
    vectors = dict(zip(names, await embed(context, names, words), strict=True))
    return {kind: (context.space.platform.vector_space(name), vectors[name]) for kind, name in models.items()}


async def _artifact_vectors(context: RunContext, example: InputArtifact, embed: EmbedQuery) -> Vectors:
    """Embed an artifact: a picture to find pictures, a text to find every kind."""
    if example.kind == "image":
        model = context.space.profile.pictures
        picture = await asyncio.to_thread(shown_picture, context.space, example)
        answer = await context.answer(EmbedImage(model=model, image=picture))
        return {"image": (context.space.platform.vector_space(model), await _vector(context, answer))}
    if example.kind == "text":
        text = await asyncio.to_thread(full_text, context.space, example)
        return await _word_vectors(context, text[:_QUERY_CHARACTERS], list(KINDS), embed)
    raise NothingToDo(f"{example.name} is neither a picture nor a text: search for the words that are said in it.")


def _mean_vectors(examples: Vectors, words: Vectors) -> Vectors:
    """Return the normalized mean of the vectors of an example and of words, by kind."""
    means: Vectors = {}
    for kind, (space, example) in examples.items():
        total = np.array(example) + np.array(words[kind][1])
        means[kind] = (space, (total / max(float(np.linalg.norm(total)), 1e-9)).tolist())
    return means


async def _vector(context: RunContext, answer: Any) -> list[float]:
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, Embedding)
    vector = await asyncio.to_thread(read_vector, context.space.store, answer)
    return vector.tolist()
