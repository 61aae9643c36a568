"""What a worker shows of itself: a JSON file, and on a port the same document and Prometheus metrics."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel


class SlotStatus(BaseModel):
    """One slot. Memory in bytes; `reloads` of models that it had loaded before, `restarts` of its process."""

    slot: str
    pid: int
    ready: bool
    flow_run_id: str | None
    runs_done: int
    reloads: int
    restarts: int
    resident_bytes: int
    models: dict[str, int]
    problem: str | None


class WorkerStatus(BaseModel):
    """One worker: its slots, and how many runs wait and how long, as the last poll saw them."""

    worker: str
    pool: str
    waiting_runs: int
    queue_age_seconds: float
    slots: list[SlotStatus]


def write_status(path: Path, status: WorkerStatus) -> None:
    """Replace the file; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(status.model_dump_json(indent=1), encoding="utf-8")
    fresh.replace(path)


def read_status(path: Path) -> WorkerStatus | None:
    """What the worker wrote last, if anything."""
    try:
        return WorkerStatus.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@dataclass(frozen=True)
class StatusPort:
    """Where a worker answers GET /metrics and GET /status; with a token, those alone who bear it."""

    host: str
    port: int
    token: str
    status: Callable[[], WorkerStatus]
    metrics: Callable[[], str]

    async def open(self) -> asyncio.Server:
        return await asyncio.start_server(self._answer, self.host, self.port)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            writer.write(self._response(head.decode("latin-1").split("\r\n")))
            await writer.drain()
        except (TimeoutError, ConnectionError, ValueError, EOFError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, or did not speak HTTP
        finally:
            writer.close()

    def _response(self, lines: list[str]) -> bytes:
        request = lines[0].split(" ")
        path = request[1] if len(request) > 1 else ""
        code, kind, body = "404 Not Found", "text/plain", "Ask for /metrics or /status.\n"
        if not self._may(lines[1:]):
            code, body = "401 Unauthorized", "Send the token: Authorization: Bearer …\n"
        elif path == "/metrics":
            code, kind, body = "200 OK", CONTENT_TYPE_PLAIN_0_0_4, self.metrics()
        elif path == "/status":
            code, kind, body = "200 OK", "application/json", self.status().model_dump_json()
        content = body.encode()
        head = f"HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        return head.encode() + content

    def _may(self, headers: list[str]) -> bool:
        named = (header.partition(":") for header in headers)
        given = next((value.strip() for name, _, value in named if name.lower() == "authorization"), "")
        return not self.token or compare_digest(given.encode(), f"Bearer {self.token}".encode())
