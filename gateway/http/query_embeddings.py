"""Questions: what people look for, as vectors, from models that stay loaded here; the bucket keeps nothing of it."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, cast

from flows.running.context import RunContext
from modalities.embedding.open_clip import Vectors

_MOST_KNOWN = 2000
_AT_ONCE = 2
_REFRESH_SECONDS = 30.0
"""How soon another published version of a model is asked."""


class _ReadsTexts(Protocol):
    def encode_texts(self, texts: list[str]) -> Vectors: ...


class Questions:
    """The vectors of the last questions, by the space that they stand in."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        self.places = asyncio.Semaphore(_AT_ONCE)
        """What embeds here takes one of them meanwhile."""
        self._refreshed = time.monotonic()

    async def vectors(self, context: RunContext, models: Sequence[str], words: str) -> list[list[float]]:
        """What the words mean, as a question, to each of these models that embed texts."""
        if time.monotonic() - self._refreshed > _REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            context.space.platform.pool.refresh()
        return list(await asyncio.gather(*(self._vector(context, model, words) for model in models)))

    async def _vector(self, context: RunContext, model: str, words: str) -> list[float]:
        key = (await asyncio.to_thread(context.space.platform.vector_space, model), words)
        if key not in self._known:
            async with self.places:
                self._known[key] = await asyncio.to_thread(_embedded, context, model, words)
        vector = self._known[key]
        self._known.move_to_end(key)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return vector


def _embedded(context: RunContext, model: str, words: str) -> list[float]:
    with context.space.platform.pool.operator(model) as operator:
        return cast("_ReadsTexts", operator).encode_texts([words])[0].tolist()
