"""Limits: how often a person may ask, how often an address may guess tokens, and how much may be sent."""

import time
from typing import Any

from fastapi import HTTPException
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from gateway.errors import TooBusy
from gateway.tokens import Person

_WRONG_TOKENS = parse("60/minute")
_SMALL_BYTES = 32 * 1024 * 1024


class RateLimits:
    """Counts requests by person, and wrong tokens by address."""

    def __init__(self, rate: str) -> None:
        self._rate = parse(rate)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def check(self, person: Person) -> None:
        """Count one request. Raises TooBusy."""
        if not self._limiter.hit(self._rate, "person", person.project, person.name):
            window = self._limiter.get_window_stats(self._rate, "person", person.project, person.name)
            raise TooBusy(f"{person.name} asks more often than {self._rate}.", window.reset_time - time.time())

    def check_address(self, address: str) -> None:
        """Raises TooBusy for an address that sent too many wrong tokens."""
        if not self._limiter.test(_WRONG_TOKENS, "address", address):
            raise TooBusy("Too many wrong tokens came from this address.", 60.0)

    def count_failure(self, address: str) -> None:
        """Remember a wrong token."""
        self._limiter.hit(_WRONG_TOKENS, "address", address)


class BodyLimit:
    """Refuses what is larger than it may be, while it arrives: files up to the limit, all else up to 32 MB."""

    def __init__(self, app: Any, max_bytes: int, file_paths: tuple[str, ...]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._file_paths = file_paths

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        largest = self._max_bytes if scope["path"].startswith(self._file_paths) else _SMALL_BYTES
        taken = 0

        async def counted() -> Any:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > largest:
                raise HTTPException(413, f"The request is larger than the limit of {largest / 1e6:.0f} MB.")
            return message

        await self._app(scope, counted, send)
