"""Encode search queries, and sentences for answers, with models that stay loaded in the gateway.

Nothing of them is stored in the bucket.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from flows.answering.ask import encode_passages_here
from flows.index.query_vectors import encode_here
from flows.running.context import RunContext
from modalities.embedding.queries import EncodedQuery
from modalities.embedding.requests import Vectors

_CACHE_ENTRIES, _CACHED_SENTENCES = 2000, 20_000
_CONCURRENCY = 2
_REFRESH_SECONDS = 30.0
"""How often newly published model versions are looked up."""


class QueryEmbeddings:
    """LRU caches of encoded queries and sentences, by vector space and text."""

    def __init__(self) -> None:
        self._cache: OrderedDict[tuple[str, str], EncodedQuery] = OrderedDict()
        self._sentences: OrderedDict[tuple[str, str], Vectors] = OrderedDict()
        self.embedding_slots = asyncio.Semaphore(_CONCURRENCY)
        """Acquire one around every embedding in this process."""
        self._refreshed = time.monotonic()

    async def encode(self, context: RunContext, model: str, texts: Sequence[str]) -> list[EncodedQuery]:
        """Return each text as a query of a model, in order."""
        if time.monotonic() - self._refreshed > _REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            context.space.platform.pool.refresh()
        space = await asyncio.to_thread(context.space.platform.vector_space, model)
        found = {text: self._cache[space, text] for text in texts if (space, text) in self._cache}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            async with self.embedding_slots:
                found |= dict(zip(missing, await encode_here(context, model, missing), strict=True))
        for text, encoded in found.items():
            self._cache[space, text] = encoded
            self._cache.move_to_end((space, text))
        while len(self._cache) > _CACHE_ENTRIES:
            self._cache.popitem(last=False)
        return [found[text] for text in texts]

    async def encode_passages(self, context: RunContext, model: str, texts: Sequence[str]) -> Vectors:
        """Return the vectors of sentences, embedded as passages: shape (texts, dimension)."""
        space = await asyncio.to_thread(context.space.platform.vector_space, model)
        found = {text: self._sentences[space, text] for text in texts if (space, text) in self._sentences}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            async with self.embedding_slots:
                found |= dict(zip(missing, await encode_passages_here(context, model, missing), strict=True))
        for text, vector in found.items():
            self._sentences[space, text] = vector
            self._sentences.move_to_end((space, text))
        while len(self._sentences) > _CACHED_SENTENCES:
            self._sentences.popitem(last=False)
        return np.stack([found[text] for text in texts])
