"""A stand-in for a module that keeps models loaded and reports them to the worker."""

import threading
import time
from collections.abc import Callable

LOADS = 0
_LOADED: dict[str, bytes] = {}


def load(name: str) -> bytes:
    global LOADS
    if name not in _LOADED:
        LOADS += 1
        _LOADED.clear()  # one fits
        _LOADED[name] = bytes(1000)
    return _LOADED[name]


def let_go_when(over: Callable[[], bool]) -> None:
    """Unload the model between runs, as an idle model is evicted."""

    def watch() -> None:
        while not over():
            time.sleep(0.05)
        _LOADED.clear()

    threading.Thread(target=watch, daemon=True).start()


def loaded() -> dict[str, int]:
    return {name: len(weights) for name, weights in _LOADED.items()}


def warm_up() -> None:
    load("small")
