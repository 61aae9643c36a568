"""The HTTP protocol of the gateway's server: uvicorn's, which also closes connections on which no request comes.

uvicorn has no time limit for the headers of a request, nor for a body that nobody reads any more.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_CHECK_SECONDS, _WAIT_SECONDS = 5.0, 30.0


class ImpatientProtocol(H11Protocol):
    """Close a connection that has been waiting for the rest of a request for too long."""

    _check: asyncio.TimerHandle | None = None
    _waiting_since: float | None = None
    _last_cycle: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waiting_since = self.loop.time()
        self._check = self.loop.call_later(_CHECK_SECONDS, self._close_if_waiting_too_long)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def _close_if_waiting_too_long(self) -> None:
        """Check every few seconds: the time counts while no request is being answered."""
        cycle: Any = self.cycle  # None before the first request
        is_answering = cycle is not None and not cycle.response_complete
        if is_answering or self.cycle is not self._last_cycle:
            self._waiting_since = None if is_answering else self.loop.time()
        elif self._waiting_since is None:
            self._waiting_since = self.loop.time()
        elif self.loop.time() - self._waiting_since > _WAIT_SECONDS:
            self.transport.close()
            return
        self._last_cycle = self.cycle
        self._check = self.loop.call_later(_CHECK_SECONDS, self._close_if_waiting_too_long)
