"""Crash points: places at which a test ends a process, named by what is written there.

Nothing in the platform knows of them: they lie in wrappers around the clients that everything else receives.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from flows.running.platform import Platform
from flows.running.settings import Settings
from storage.bucket import Bucket
from storage.index.library import Library
from storage.index.search_index import SearchIndex

_BY_KEY = {
    "/blobs/": "blob",
    "/artifacts/": "record",
    "/recipes/": "recipe",
    "/refs/": "reference",
    "quarantine/": "quarantine",
    "tmp/": "upload",
    "inbox/": "inbox",
}
_WRITES = {"put", "create", "replace", "copy", "remove", "remove_if", "remove_all"}


@dataclass(frozen=True)
class CrashPoint:
    """The n-th time (from 1) that something is written, in the moment before it or the one after it."""

    name: str
    nth: int
    when: Literal["before", "after"]

    def __str__(self) -> str:
        return f"{self.when} {self.name} {self.nth}"


class Trap:
    """Counts what is written, notes it in a file, and ends this very process at the crash point."""

    def __init__(self, notes: Path, point: CrashPoint | None) -> None:
        self._notes, self._point = notes, point
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        with self._lock:
            self._counts[name] += 1
            nth = self._counts[name]
            with self._notes.open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")
        self._spring(CrashPoint(name, nth, "before"))
        result = call()
        self._spring(CrashPoint(name, nth, "after"))
        return result

    def _spring(self, here: CrashPoint) -> None:
        if here == self._point:
            os.kill(os.getpid(), signal.SIGKILL)


class Trapped:
    """A client whose writes go through the trap."""

    def __init__(self, inner: Any, trap: Trap, named: Callable[[str, tuple[Any, ...]], str | None]) -> None:
        self._inner, self._trap, self._named = inner, trap, named

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._inner, method)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            name = self._named(method, arguments)
            if name is None:
                return found(*arguments, **options)
            return self._trap.around(name, lambda: found(*arguments, **options))

        return call


class TrappedPlatform(Platform):
    """The platform with a trap in its bucket, its index and its library."""

    def __init__(self, settings: Settings, trap: Trap) -> None:
        super().__init__(settings)
        self._trap = trap

    @cached_property
    def bucket(self) -> Bucket:
        return Trapped(Platform.bucket.func(self), self._trap, _name_of_write)  # type: ignore[return-value]

    @cached_property
    def index(self) -> SearchIndex:
        rows = {"add": "index rows"}
        return Trapped(Platform.index.func(self), self._trap, lambda method, _: rows.get(method))  # type: ignore[return-value]

    @cached_property
    def library(self) -> Library:
        rows = {"add": "library row"}
        return Trapped(Platform.library.func(self), self._trap, lambda method, _: rows.get(method))  # type: ignore[return-value]


def _name_of_write(method: str, arguments: tuple[Any, ...]) -> str | None:
    """Such as `create record`; None for what is not written, or measured of models."""
    if method not in _WRITES or not arguments:
        return None
    key = arguments[1] if method == "copy" else arguments[0]
    kind = next((name for part, name in _BY_KEY.items() if part in str(key)), None)
    if kind == "quarantine" and str(key).endswith(".json"):
        kind = "reason"
    return f"{method} {kind}" if kind else None
