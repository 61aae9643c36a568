"""Why a picture was found: the classes that its classifier sees, and the regions that make it near the query."""

import asyncio
from contextlib import AbstractAsyncContextManager

import numpy as np
from pydantic import BaseModel

from flows.index.query_vectors import EncodeQueries, serving_models
from flows.library.inputs import InputArtifact
from flows.library.reading.contents import picture_at
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from modalities.embedding.attribution import AttributesToClasses, ClassShare, relevance_map
from modalities.embedding.two_towers import TwoTowers, decode_picture
from storage.index.parts import PartKind
from storage.index.word_query import parse_query
from storage.records import kind_of

_PICTURES: PartKind = "image"


class Why(BaseModel):
    """What makes a picture near the words of a query.

    `classes` are those whose names raise the cosine, the largest share first; only models that are made of classes have
    any. `regions` are 7 rows of 7 values, from 0 to 1 for what matters most; none if they were not asked for.
    """

    classes: list[ClassShare]
    regions: list[list[float]]


async def explain(
    context: RunContext,
    found: InputArtifact,
    words: str,
    encode: EncodeQueries,
    turn: AbstractAsyncContextManager[object],
    *,
    seconds: float | None = None,
    place: str = "",
    regions: bool = True,
) -> Why:
    """Compare a picture, a frame of a film or a page with a query, in this process.

    `turn` is held while the model runs. Raises NothingToDo for what is no picture.
    """
    wanted = parse_query(words).wanted
    picture = await asyncio.to_thread(picture_at, context.space, found, seconds=seconds, place=place)
    chosen, _ = await asyncio.to_thread(serving_models, context.space, (_PICTURES,))
    if kind_of(picture.media_type) != "image" or not chosen:
        raise NothingToDo(f"{found.name} was not found by what it shows: only pictures and films are.")
    if not wanted:
        raise NothingToDo("There are no words to compare the picture with.")
    model, _ = chosen[_PICTURES]
    [query] = await encode(context, model, [wanted])

    def compare() -> Why:
        vector = np.array(query.vector, np.float32)
        with context.space.platform.pool.operator(model) as operator:
            if not isinstance(operator, TwoTowers):
                raise NothingToDo(f"The model {model} does not compare pictures with words.")
            pixels = decode_picture(context.space.store.get(picture), operator.picture_side)
            is_made_of_classes = isinstance(operator, AttributesToClasses)
            return Why(
                classes=operator.class_shares(pixels, vector) if is_made_of_classes else [],
                regions=relevance_map(operator, pixels, vector).round(3).tolist() if regions else [],
            )

    async with turn:
        return await asyncio.to_thread(compare)
