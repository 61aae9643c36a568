"""Waiting for what a test has set going."""

import time
from collections.abc import Callable

_GROWTH, _LONGEST_PAUSE = 1.2, 0.3


def wait_for(true: Callable[[], bool], seconds: float, what: str, *, every: float = 0.05) -> None:
    """Until it holds. Raises AssertionError, which names what was waited for.

    The pauses begin with `every` and grow: twenty questions a second to a server cost a third of a core.
    """
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(every)
        every = max(every, min(every * _GROWTH, _LONGEST_PAUSE))
