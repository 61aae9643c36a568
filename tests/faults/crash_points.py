"""Crash points: a test kills a process before or after its n-th write of a kind.

They are in wrappers around the clients that a platform builds; the platform itself does not know them.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Literal, cast

from flows.running.platform import Platform
from flows.running.settings import Settings
from media.identify import CAPS, Caps, MediaFacts, identify
from media.location import drop_location
from media.read import read_contents
from media.reading.contents import Extract
from media.sandbox import Decoders
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
_WRITES = {"put", "create", "create_absent", "replace", "copy", "remove", "remove_if", "remove_all"}


@dataclass(frozen=True)
class CrashPoint:
    """Just before or after the n-th write (from 1) of a kind, such as `create record`."""

    name: str
    nth: int
    when: Literal["before", "after"]

    def __str__(self) -> str:
        return f"{self.when} {self.name} {self.nth}"


class CrashTrap:
    """Log every write to a file, and kill this process at the crash point."""

    def __init__(self, write_log: Path, point: CrashPoint | None) -> None:
        self._write_log, self._point = write_log, point
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def guard(self, name: str, call: Callable[[], Any]) -> Any:
        with self._lock:
            self._counts[name] += 1
            nth = self._counts[name]
            with self._write_log.open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")
        self._kill_at(CrashPoint(name, nth, "before"))
        result = call()
        self._kill_at(CrashPoint(name, nth, "after"))
        return result

    def _kill_at(self, here: CrashPoint) -> None:
        if here == self._point:
            os.kill(os.getpid(), signal.SIGKILL)


class FaultClient:
    """A client whose writes go through the trap. `name_write` names a write, or returns None for other calls."""

    def __init__(self, inner: Any, trap: CrashTrap, name_write: Callable[[str, tuple[Any, ...]], str | None]) -> None:
        self._inner, self._trap, self._name_write = inner, trap, name_write

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._inner, method)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            name = self._name_write(method, arguments)
            if name is None:
                return found(*arguments, **options)
            return self._trap.guard(name, lambda: found(*arguments, **options))

        return call


class DecodersInProcess:
    """Identify files in this process: starting the sandbox's processes for every crash point would take minutes."""

    def identify(self, path: Path, name: str, caps: Caps = CAPS) -> MediaFacts:
        return identify(path, name, caps)

    def read(self, path: Path, media_type: str, caps: Caps = CAPS) -> tuple[Extract, list[bytes]]:
        return read_contents(path, media_type, caps)

    def drop_location(self, path: Path, media_type: str, caps: Caps = CAPS) -> bool:
        return drop_location(path, media_type)


class FaultPlatform(Platform):
    """A platform with the trap around its bucket, index and library."""

    def __init__(self, settings: Settings, trap: CrashTrap) -> None:
        super().__init__(settings)
        self._trap = trap

    @cached_property
    def decoders(self) -> Decoders:
        return cast(Decoders, DecodersInProcess())

    @cached_property
    def bucket(self) -> Bucket:
        return FaultClient(Platform.bucket.func(self), self._trap, _name_of_write)  # type: ignore[return-value]

    @cached_property
    def index(self) -> SearchIndex:
        rows = {"add": "index rows"}
        return FaultClient(Platform.index.func(self), self._trap, lambda method, _: rows.get(method))  # type: ignore[return-value]

    @cached_property
    def library(self) -> Library:
        rows = {"add": "library row"}
        return FaultClient(Platform.library.func(self), self._trap, lambda method, _: rows.get(method))  # type: ignore[return-value]


def _name_of_write(method: str, arguments: tuple[Any, ...]) -> str | None:
    """Name a write to the bucket, such as `create record`; None for reads and for keys that are not listed."""
    if method not in _WRITES or not arguments:
        return None
    key = arguments[1] if method == "copy" else arguments[0]
    kind = next((name for part, name in _BY_KEY.items() if part in str(key)), None)
    if kind == "quarantine" and str(key).endswith(".json"):
        kind = "reason"
    return f"{method.removesuffix('_absent')} {kind}" if kind else None
