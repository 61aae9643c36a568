"""Rate limits for people and for wrong tokens, and a limit on the size of request bodies."""

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
    """Count requests per person, and wrong tokens per client address, in fixed windows."""

    def __init__(self, rate: str) -> None:
        self._rate = parse(rate)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def check(self, person: Person) -> None:
        """Count one request of a person. Raises TooBusy."""
        if not self._limiter.hit(self._rate, "person", person.project, person.name):
            window = self._limiter.get_window_stats(self._rate, "person", person.project, person.name)
            raise TooBusy(f"{person.name} asks more often than {self._rate}.", window.reset_time - time.time())

    def check_address(self, address: str) -> None:
        """Raise TooBusy if too many wrong tokens came from this address."""
        if not self._limiter.test(_WRONG_TOKENS, "address", address):
            raise TooBusy("Too many wrong tokens came from this address.", 60.0)

    def count_failure(self, address: str) -> None:
        """Count a wrong token."""
        self._limiter.hit(_WRONG_TOKENS, "address", address)


class BodyLimit:
    """ASGI middleware that aborts larger bodies with 413 while they arrive: `max_bytes` for files, else 32 MB."""

    def __init__(self, app: Any, max_bytes: int, file_paths: tuple[str, ...]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._file_paths = file_paths

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_bytes if scope["path"].startswith(self._file_paths) else _SMALL_BYTES
        received = 0

        async def limited_receive() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, f"The request is larger than the limit of {limit / 1e6:.0f} MB.")
            return message

        await self._app(scope, limited_receive, send)
