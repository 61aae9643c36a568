"""Decide from the headers whether a request may send its body, and bound the body in size and time.

Nothing of a body is read before the token is known to be right, and an upload is refused before it is sent if its job
would be.
"""

import asyncio
import time
from typing import Any

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match

from flows.running.errors import EXPECTED
from gateway.errors import GatewayError
from gateway.http.access import (
    authenticate_before_body,
    check_role,
    has_right_token_before_body,
    role_of,
    services_of,
)
from gateway.http.body_limits import (
    OPEN_BODIES,
    SMALL_BYTES,
    api_routes,
    is_upload_of_files,
    max_body_bytes,
    starts_job,
)
from gateway.http.problems import error_response

_SILENCE_SECONDS = 30.0
"""How long a client may send nothing in the middle of a body."""
_GRACE_SECONDS, _LEAST_BYTES_PER_SECOND = 60.0, 1000.0
"""A body that has lasted longer than the grace time must have come at least as fast as this."""


class Admission:
    """ASGI middleware that authenticates requests with a body, and aborts bodies that are too large or too slow."""

    def __init__(self, app: Any, max_file_bytes: int) -> None:
        self._app = app
        self._max_file_bytes = max_file_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            limit = await self._admit(request)
        except (*EXPECTED, GatewayError, HTTPException) as error:
            response: Response = error_response(request, error)
            await response(scope, receive, send)
            return
        await self._app(scope, _Body(receive, limit).receive, send)

    async def _admit(self, request: Request) -> int:
        """Return how large the body may be. Raises NotSignedIn, NotAllowed, TooBusy, NotReachable, HTTPException."""
        route = _route_of(request)
        limit = max_body_bytes(route, self._max_file_bytes) if route else SMALL_BYTES
        if request.url.path in OPEN_BODIES:
            # The token may be a field of the body: until it is read, the body is small.
            limit = limit if await has_right_token_before_body(request) else SMALL_BYTES
        else:
            check_role(await authenticate_before_body(request), role_of(route))
        if _announced_bytes(request) > limit:
            raise HTTPException(413, _too_large(limit))
        if route and is_upload_of_files(route) and starts_job(route):
            await services_of(request).jobs.check_admission()
        return limit


class _Body:
    """The messages of a body. Raises HTTPException for one that is too large (413) or too slow (408)."""

    def __init__(self, receive: Any, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._received = 0
        self._started = time.monotonic()
        self._is_complete = False

    async def receive(self) -> Any:
        if self._is_complete:  # what follows is the end of the connection, which may take long
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), _SILENCE_SECONDS)
        except TimeoutError as error:
            raise HTTPException(408, f"Nothing of the request came for {_SILENCE_SECONDS:.0f} seconds.") from error
        self._received += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        if self._received > self._limit:
            raise HTTPException(413, _too_large(self._limit))
        seconds = time.monotonic() - self._started
        if seconds > _GRACE_SECONDS and self._received < (seconds - _GRACE_SECONDS) * _LEAST_BYTES_PER_SECOND:
            raise HTTPException(408, "The request comes too slowly.")
        return message


def _has_body(scope: Any) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip() not in (b"", b"0")


def _announced_bytes(request: Request) -> int:
    text = request.headers.get("content-length", "0").strip()
    if not (text.isascii() and text.isdigit()):
        raise HTTPException(400, "The Content-Length is no number.")
    return int(text)


def _too_large(limit: int) -> str:
    return f"The request is larger than the limit of {limit / 1e6:.0f} MB."


def _route_of(request: Request) -> APIRoute | None:
    """Return the route that will answer the request, if there is one."""
    for route in api_routes(request.app.router.routes):
        if route.matches(request.scope)[0] is Match.FULL:
            return route
    return None
