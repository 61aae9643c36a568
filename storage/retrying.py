"""Patience: a server that restarts is asked again for a while, since whoever waits has work in hand."""

import time
from collections.abc import Callable
from typing import TypeVar

from storage.errors import StorageUnavailable

_T = TypeVar("_T")
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0


def patiently(call: Callable[[], _T], seconds: float) -> _T:
    """The answer of a call that may be made twice. Raises StorageUnavailable once `seconds` are over."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return call()
        except StorageUnavailable:
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
