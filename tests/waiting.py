"""Waiting for what a test has set going."""

import time
from collections.abc import Callable


def wait_for(true: Callable[[], bool], seconds: float, what: str, *, every: float = 0.05) -> None:
    """Until it holds. Raises AssertionError, which names what was waited for."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(every)
