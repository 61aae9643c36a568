"""Encode a search query for each kind of part, with the model of the vector space that answers for it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from flows.running.context import RunContext
from flows.running.platform import Space
from modalities.embedding.queries import EncodedQuery, encode_query, lines_of_background
from storage.index.parts import PART_KINDS, PartKind
from storage.index.search_query import VectorQuery
from storage.index.word_query import ParsedQuery

EncodeQueries = Callable[[RunContext, str, Sequence[str]], Awaitable[list[EncodedQuery]]]
"""Encode texts as queries with a model. Nothing of a query is stored in the bucket."""

_SAMPLE = 300
_BACKGROUND = (
    *("a photo of a street", "the weather tomorrow", "how to cook rice", "an old letter", "mathematics", "a dog"),
    *("Wie spät ist es?", "la maison bleue", "una canción triste", "football results", "a chair", "the parliament"),
)
"""Unrelated queries: their cosines with stored vectors are those of irrelevant results."""


@dataclass(frozen=True)
class Encoded:
    """The vector queries by kind of part, and notices for people about vectors that these queries do not search.

    `example` is the artifact that the hits should resemble, which is no hit itself unless the query asks for it.
    """

    vectors: dict[PartKind, VectorQuery] = field(default_factory=dict)
    example: str = ""
    notices: tuple[str, ...] = ()


def default_models(space: Space) -> dict[PartKind, str]:
    """The model of the profile that embeds each kind of part."""
    profile = space.profile
    return {kind: profile.pictures if kind == "image" else profile.passages for kind in PART_KINDS}


def serving_models(space: Space, kinds: Sequence[PartKind]) -> tuple[dict[PartKind, tuple[str, str]], tuple[str, ...]]:
    """The model and the space that answer for each of the kinds that there are parts of, and notices.

    Where no configured model makes the vectors of the space that answers, the profile's model answers with what its
    own space has: the notice says so.
    """
    chosen: dict[PartKind, tuple[str, str]] = {}
    notices: list[str] = []
    for kind, name in space.index.serving(space.project).items():
        if kind not in kinds:
            continue
        own = default_models(space)[kind]
        model = space.platform.model_of_space(name)
        if model is None:
            model = own
            notices.append(
                f"Parts of the kind {kind} were embedded by a model that is not configured any more ({name}): "
                f"those that {model} has embedded since are looked through. `triptych rebuild` embeds the others."
            )
            name = space.platform.vector_space(model)
        elif name != space.platform.find_vector_space(own):
            notices.append(
                f"The index is being renewed: {model} answers for the kind {kind} until then, "
                "and what has come in since is found by its words."
            )
        chosen[kind] = (model, name)
    return chosen, tuple(notices)


async def encode_for_kinds(
    context: RunContext, parsed: ParsedQuery, kinds: Sequence[PartKind], encode: EncodeQueries
) -> Encoded:
    """Encode what is wanted and what is not, once per model."""
    chosen, notices = await asyncio.to_thread(serving_models, context.space, kinds)
    number = len(parsed.unwanted)
    # What is left out may be the first word of a name: "truck -fire" is about no fire truck.
    texts = [parsed.wanted, *parsed.unwanted, *(f"{unwanted} {parsed.wanted}" for unwanted in parsed.unwanted)]
    encoded = {model: await encode(context, model, texts) for model in dict.fromkeys(m for m, _ in chosen.values())}
    vectors: dict[PartKind, VectorQuery] = {}
    for kind, (model, name) in chosen.items():
        wanted, *unwanted = [
            (query.vector, query.lines or await background_lines(context, kind, model, name, encode))
            for query in encoded[model][: number + 1]
        ]
        named = encoded[model][0].concepts
        joined = [each.concepts.groups for each in encoded[model][number + 1 :] if each.concepts.is_one]
        excluded = [*(each.concepts.groups for each in encoded[model][1 : number + 1]), *joined]
        vectors[kind] = VectorQuery(
            space=name,
            vector=wanted[0],
            lines=wanted[1],
            unwanted=tuple(unwanted),
            concepts=named.groups if kind == "image" else (),
            coverage=named.coverage,
            excluded=tuple(name for groups in excluded for group in groups for name in group)
            if kind == "image"
            else (),
        )
    return Encoded(vectors, notices=notices)


async def encode_here(context: RunContext, model: str, texts: Sequence[str]) -> list[EncodedQuery]:
    """Encode queries with a model that is loaded in this process."""

    def encode() -> list[EncodedQuery]:
        platform = context.space.platform
        with platform.pool.operator(model) as operator:
            return [encode_query(operator, platform.catalogue.spec(model), text) for text in texts]

    return await asyncio.to_thread(encode)


async def background_lines(
    context: RunContext, kind: PartKind, model: str, name: str, encode: EncodeQueries
) -> tuple[tuple[float, float], ...]:
    """The calibration lines of a model that has none of its own, by the cosines of unrelated queries with a sample.

    The sample is of the vectors of a kind in a space. It is measured again when it is twice as large as before, up to
    300 vectors.
    """
    known = context.space.platform.background
    size, lines = known.get((name, kind), _NONE)
    if size < _SAMPLE:
        sample = await asyncio.to_thread(context.space.index.sample, name, kind, _SAMPLE)
        if len(sample) >= max(min(size * 2, _SAMPLE), 1):
            queries = np.array([query.vector for query in await encode(context, model, _BACKGROUND)], np.float32)
            lines = lines_of_background(queries @ np.array(sample, np.float32).T)
            known[name, kind] = (len(sample), lines)
    return lines or _UNCALIBRATED


_NONE: tuple[int, tuple[tuple[float, float], ...]] = (0, ())
_UNCALIBRATED = ((8.0, -2.0),)
"""For a space with too few vectors to measure anything: nothing near is left out."""
