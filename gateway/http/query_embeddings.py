"""Embed search queries with models that stay loaded in the gateway; nothing of a query is stored in the bucket."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, cast

from flows.running.context import RunContext
from modalities.embedding.requests import Vectors

_CACHE_ENTRIES = 2000
_CONCURRENCY = 2
_REFRESH_SECONDS = 30.0
"""How often newly published model versions are looked up."""


class _TextEncoder(Protocol):
    def encode_texts(self, texts: list[str]) -> Vectors: ...


class QueryEmbeddings:
    """An LRU cache of query embeddings, by vector space and query."""

    def __init__(self) -> None:
        self._cache: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        self.embedding_slots = asyncio.Semaphore(_CONCURRENCY)
        """Acquire one around every embedding in this process."""
        self._refreshed = time.monotonic()

    async def embed(self, context: RunContext, models: Sequence[str], words: str) -> list[list[float]]:
        """Return the query's vector from each of these text embedding models, in order."""
        if time.monotonic() - self._refreshed > _REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            context.space.platform.pool.refresh()
        return list(await asyncio.gather(*(self._vector(context, model, words) for model in models)))

    async def _vector(self, context: RunContext, model: str, words: str) -> list[float]:
        key = (await asyncio.to_thread(context.space.platform.vector_space, model), words)
        if key not in self._cache:
            async with self.embedding_slots:
                self._cache[key] = await asyncio.to_thread(_encode, context, model, words)
        vector = self._cache[key]
        self._cache.move_to_end(key)
        while len(self._cache) > _CACHE_ENTRIES:
            self._cache.popitem(last=False)
        return vector


def _encode(context: RunContext, model: str, words: str) -> list[float]:
    with context.space.platform.pool.operator(model) as operator:
        return cast("_TextEncoder", operator).encode_texts([words])[0].tolist()
