"""Bisect a batch of requests whose run crashes, to isolate the requests that crash the worker."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from flows.running.errors import RunCrashed

RequestT = TypeVar("RequestT")


async def bisect_crashes(
    requests: Sequence[RequestT], run: Callable[[Sequence[RequestT]], Awaitable[None]]
) -> list[tuple[RequestT, RunCrashed]]:
    """Run the requests as one batch; if that crashes, run each half. Return the requests that crash a run alone."""
    try:
        await run(requests)
    except RunCrashed as crash:
        if len(requests) == 1:
            return [(requests[0], crash)]
        half = len(requests) // 2
        return await bisect_crashes(requests[:half], run) + await bisect_crashes(requests[half:], run)
    return []
