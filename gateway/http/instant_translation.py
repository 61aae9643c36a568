"""Translate short texts in the gateway's own process, with models that stay loaded; nothing of them is stored."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, cast

from flows.running.context import Queue, RunContext, show_nothing
from flows.running.platform import Platform, Space
from media.errors import ItemError
from modalities.answers import Answer
from modalities.contract import Progress, Request, no_progress
from modalities.errors import ModelUnavailable, NotEnoughMemory

MOST_CHARACTERS = 4000
"""Of the texts of a request; a longer one is a job."""
_CACHE_ENTRIES = 4000
_CONCURRENCY = 2
_REFRESH_SECONDS = 30.0
"""How often newly published model versions are looked up."""


class InstantTranslation:
    """An LRU cache of answers, by the weights of the model and the request; it keeps at most `cache_entries`."""

    def __init__(self, cache_entries: int = _CACHE_ENTRIES) -> None:
        self._cache_entries = cache_entries
        self._cache: OrderedDict[tuple[str, Request[Any]], Answer] = OrderedDict()
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._refreshed = time.monotonic()

    def context(self, space: Space) -> RunContext:
        """Return a context whose requests are answered here."""
        return RunContext(space=space, ask=self._ask, show=show_nothing)

    async def _ask(
        self, space: Space, requests: Sequence[Request[Any]], queue: Queue, progress: Progress
    ) -> list[Answer]:
        """Answer requests: from the cache, otherwise by the loaded model."""
        if time.monotonic() - self._refreshed > _REFRESH_SECONDS:
            self._refreshed = time.monotonic()
            space.platform.pool.refresh()
        digests = {model: await asyncio.to_thread(space.platform.pool.digest, model) for model in _models(requests)}
        keys = [(digests[request.model], request) for request in requests]
        # Read before the model is awaited: meanwhile, other requests may evict these entries.
        found = {key: self._cache[key] for key in keys if key in self._cache}
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            async with self._slots:
                given = await asyncio.to_thread(_run, space.platform, [request for _, request in missing])
            found |= {key: given[key[1]] for key in missing}
        for key, answer in found.items():
            if not isinstance(answer, ItemError):
                self._cache[key] = answer
                self._cache.move_to_end(key)
        while len(self._cache) > self._cache_entries:
            self._cache.popitem(last=False)
        return [found[key] for key in keys]


def is_unavailable_here(error: ItemError) -> bool:
    """Whether a model cannot be loaded in this process, so that a job should answer."""
    return isinstance(error, NotEnoughMemory | ModelUnavailable)


def _models(requests: Sequence[Request[Any]]) -> list[str]:
    return list(dict.fromkeys(request.model for request in requests))


def _run(platform: Platform, requests: Sequence[Request[Any]]) -> dict[Request[Any], Answer]:
    answers: dict[Request[Any], Answer] = {}
    for model in _models(requests):
        wanted = [request for request in requests if request.model == model]
        with platform.pool.operator(model) as operator:
            # A translation reads and writes no artifact, so that there is no store to give.
            given = operator(wanted, cast(Any, None), no_progress)
        answers.update(zip(wanted, given, strict=True))
    return answers
