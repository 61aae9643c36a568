"""Search pictures, spoken segments and texts by meaning and by their words."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
from prefect import flow
from prefect.client.schemas.objects import State

from flows.index.query_vectors import Encoded, EncodeQueries, encode_for_kinds, encode_here, serving_models
from flows.index.search_report import SearchReport, nothing_found
from flows.library.inputs import InputArtifact, resolve_input
from flows.library.markdown import search_page
from flows.library.reading.contents import full_text, shown_picture
from flows.running.content_forms import Query
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from flows.running.platform import Space
from flows.running.prefect_context import run_as_flow
from modalities.embedding.requests import Embedding, EmbedImage, read_vector
from storage.index.parts import PartKind
from storage.index.search_index import Found
from storage.index.search_query import Filters, VectorQuery
from storage.index.word_query import ParsedQuery, WordQuery, parse_query, word_query

_QUERY_CHARACTERS = 2000
"""How much of a stored text is embedded to search for similar artifacts."""
CUT_OFF = 0.35
"""The probability of being what was asked for that a hit has at least; measured in benchmarks/search_calibration.py."""
_PICTURE_LINES = ((12.0, -9.0),)
"""What the cosine of two pictures means. There is no cut-off: whoever names a picture wants what is nearest."""
_PARTS_OF: dict[PartKind, tuple[PartKind, ...]] = {
    "image": ("image", "text"),
    "speech": ("speech", "image", "text"),
    "text": ("text", "image"),
}
"""The kinds of parts that an artifact of each kind may have: what is written in a picture, the frames of a film."""


@flow(name="search")
async def search(query: Query) -> State[Any]:
    """Find pictures, spoken moments and texts by what they mean."""
    return await run_as_flow(query.project, lambda context: _find_and_show(context, query))


async def _find_and_show(context: RunContext, query: Query) -> SearchReport:
    report = await find(context, query)
    nothing = "" if report.hits else nothing_found(report.looked_through)
    page = await asyncio.to_thread(search_page, context.space, query.words or query.like, report.hits, nothing)
    await context.show("hits", page)
    return report


async def find(context: RunContext, query: Query, encode: EncodeQueries = encode_here) -> SearchReport:
    """Encode the query once per vector space and search the index."""
    query = query.model_copy(update={"words": query.words.replace("\0", " ").strip()})  # Postgres stores no NUL
    parsed = parse_query(query.words)
    encoded, found = await _encode_and_search(context, query, parsed, encode)
    if found.unknown_spaces:  # the models changed after the query was encoded: once more with those of now
        encoded, found = await _encode_and_search(context, query, parsed, encode)
    if found.hits:
        return SearchReport(hits=found.hits, total=found.total, notices=encoded.notices)
    looked = await asyncio.to_thread(_looked_through, context, query)
    absent = () if looked else await asyncio.to_thread(_absent_project, context.space)
    return SearchReport(hits=[], total=found.total, looked_through=looked, notices=(*encoded.notices, *absent))


async def _encode_and_search(
    context: RunContext, query: Query, parsed: ParsedQuery, encode: EncodeQueries
) -> tuple[Encoded, Found]:
    encoded, cut_off = await _encode(context, query, parsed, encode)
    found = await asyncio.to_thread(
        context.space.index.search,
        context.space.project,
        vectors=encoded.vectors,
        words=None if query.like else _literal(query.words, parsed),
        filters=_filters(query, encoded),
        cut_off=cut_off if query.at_least is None else query.at_least,
        limit=query.limit,
        offset=query.offset,
    )
    return encoded, found


def _literal(words: str, parsed: ParsedQuery) -> WordQuery:
    """The words as they stand; without signs, and without those after a minus."""
    return word_query(parsed, parsed.wanted if parsed.excluded or parsed.phrases or parsed.names else words)


def _filters(query: Query, encoded: Encoded) -> Filters:
    return Filters(
        kinds=tuple(query.kinds),
        labels=tuple(label.replace("\0", "") for label in query.labels),
        since=query.since,
        until=query.until,
        made_since=query.made_since,
        made_until=query.made_until,
        without="" if query.itself else encoded.example,
    )


def _looked_through(context: RunContext, query: Query) -> dict[str, int]:
    counts = context.space.index.looked_through(context.space.project)
    return {kind: number for kind, number in counts.items() if kind in query.kinds}


def _absent_project(space: Space) -> tuple[str, ...]:
    """Say that there is no such project, if nothing was ever stored in it."""
    if next(iter(space.platform.bucket.objects(f"{space.project}/")), None):
        return ()
    return (f"There is no project {space.project}: nothing was ever stored in it.",)


async def _encode(
    context: RunContext, query: Query, parsed: ParsedQuery, encode: EncodeQueries
) -> tuple[Encoded, float]:
    """The vectors of the query by kind of part, and the cut-off."""
    kinds: tuple[PartKind, ...] = tuple(dict.fromkeys(part for kind in query.kinds for part in _PARTS_OF[kind]))
    if not query.like:
        if not parsed.wanted:
            missing = " beside what to leave out" if parsed.excluded else ", or name an artifact to compare with"
            raise NothingToDo(f"The search has no words: say what to look for{missing}.")
        return await encode_for_kinds(context, parsed, kinds, encode), CUT_OFF
    example = await asyncio.to_thread(resolve_input, context.space, query.like)
    encoded, cut_off = await _encode_example(context, example, parsed, kinds, encode)
    return replace(encoded, example=example.artifact.sha256), cut_off


async def _encode_example(
    context: RunContext,
    example: InputArtifact,
    parsed: ParsedQuery,
    kinds: tuple[PartKind, ...],
    encode: EncodeQueries,
) -> tuple[Encoded, float]:
    """The vectors of an artifact that the hits should resemble, with words that they should be about, too."""
    if example.kind == "text":
        text = await asyncio.to_thread(full_text, context.space, example)
        parsed = ParsedQuery(wanted=f"{parsed.wanted} {text[:_QUERY_CHARACTERS]}".strip())
        return await encode_for_kinds(context, parsed, kinds, encode), CUT_OFF
    if example.kind != "image":
        raise NothingToDo(f"{example.name} is neither a picture nor a text: search for the words that are said in it.")
    vectors = await _picture_vectors(context, example)
    if parsed.wanted:
        by_words = await encode_for_kinds(context, parsed, list(vectors), encode)
        return Encoded(_mean_vectors(vectors, by_words.vectors), notices=by_words.notices), 0.0
    return Encoded(vectors), 0.0


async def _picture_vectors(context: RunContext, example: InputArtifact) -> dict[PartKind, VectorQuery]:
    """The vector of a picture, to find pictures with."""
    chosen, _ = await asyncio.to_thread(serving_models, context.space, ("image",))
    if not chosen:
        return {}
    model, name = chosen["image"]
    picture = await asyncio.to_thread(shown_picture, context.space, example)
    answer = await context.answer(EmbedImage(model=model, image=picture))
    assert isinstance(answer, Embedding)
    vector = await asyncio.to_thread(read_vector, context.space.store, answer)
    return {"image": VectorQuery(space=name, vector=vector.tolist(), lines=_PICTURE_LINES)}


def _mean_vectors(
    examples: dict[PartKind, VectorQuery], words: dict[PartKind, VectorQuery]
) -> dict[PartKind, VectorQuery]:
    """Return the normalized mean of the vectors of an example and of words, by kind."""
    means: dict[PartKind, VectorQuery] = {}
    for kind, example in examples.items():
        total = np.array(example.vector) + np.array(words[kind].vector)
        means[kind] = replace(example, vector=(total / max(float(np.linalg.norm(total)), 1e-9)).tolist())
    return means
