"""Asking in halves: one request that ends every process it meets keeps no other from its answer."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from flows.running.errors import RunCrashed

_Q = TypeVar("_Q")


async def bisect_crashes(
    requests: Sequence[_Q], ask: Callable[[Sequence[_Q]], Awaitable[None]]
) -> list[tuple[_Q, RunCrashed]]:
    """Ask; where the run crashes, ask again in halves. Returns the requests with which every run crashes."""
    try:
        await ask(requests)
    except RunCrashed as crash:
        if len(requests) == 1:
            return [(requests[0], crash)]
        half = len(requests) // 2
        return await bisect_crashes(requests[:half], ask) + await bisect_crashes(requests[half:], ask)
    return []
