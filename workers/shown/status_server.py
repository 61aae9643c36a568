"""A small HTTP server with the worker's status as JSON and as Prometheus metrics.

Not prometheus_client's own server: it serves metrics on every path, knows no bearer token, and starts a thread without
a timeout for each connection.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from workers.shown.status import WorkerStatus

_REQUEST_SECONDS = 5


@dataclass(frozen=True)
class StatusServer:
    """Answers GET /metrics and GET /status; requires the bearer token unless it is empty."""

    host: str
    port: int
    token: str
    status: Callable[[], WorkerStatus]
    metrics: Callable[[], str]

    async def start(self) -> asyncio.Server:
        """Listen on the port. Raises OSError if it is in use."""
        return await asyncio.start_server(self._serve, self.host, self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _REQUEST_SECONDS)
            writer.write(self._respond(head.decode("latin-1").split("\r\n")))
            await writer.drain()
        except (TimeoutError, ConnectionError, ValueError, EOFError, asyncio.LimitOverrunError):
            pass  # the client disconnected, or did not speak HTTP
        finally:
            writer.close()

    def _respond(self, lines: list[str]) -> bytes:
        request = lines[0].split(" ")
        path = request[1] if len(request) > 1 else ""
        code, kind, body = "404 Not Found", "text/plain", "Ask for /metrics or /status.\n"
        if not self._is_authorized(lines[1:]):
            code, body = "401 Unauthorized", "Send the token: Authorization: Bearer …\n"
        elif path == "/metrics":
            code, kind, body = "200 OK", CONTENT_TYPE_PLAIN_0_0_4, self.metrics()
        elif path == "/status":
            code, kind, body = "200 OK", "application/json", self.status().model_dump_json()
        content = body.encode()
        head = f"HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        return head.encode() + content

    def _is_authorized(self, headers: list[str]) -> bool:
        named = (header.partition(":") for header in headers)
        given = next((value.strip() for name, _, value in named if name.lower() == "authorization"), "")
        return not self.token or compare_digest(given.encode(), f"Bearer {self.token}".encode())
