"""What a worker shows of itself: a JSON file, and on a port the same document and Prometheus metrics."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel


class SlotStatus(BaseModel):
    """One slot. Memory in bytes."""

    slot: str
    pid: int
    ready: bool
    flow_run_id: str | None
    runs_done: int
    reloads: int
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


def as_metrics(status: WorkerStatus) -> str:
    """The status in Prometheus's text format."""
    worker = f'pool="{_escaped(status.pool)}",worker="{_escaped(status.worker)}"'
    lines = [
        *_metric("warm_process_waiting_runs", "gauge", [(worker, status.waiting_runs)]),
        *_metric("warm_process_queue_age_seconds", "gauge", [(worker, status.queue_age_seconds)]),
    ]
    columns: dict[str, tuple[str, Callable[[SlotStatus], float]]] = {
        "warm_process_ready": ("gauge", lambda slot: int(slot.ready)),
        "warm_process_busy": ("gauge", lambda slot: int(slot.flow_run_id is not None)),
        "warm_process_runs_total": ("counter", lambda slot: slot.runs_done),
        "warm_process_reloads_total": ("counter", lambda slot: slot.reloads),
        "warm_process_resident_bytes": ("gauge", lambda slot: slot.resident_bytes),
    }
    for name, (kind, value) in columns.items():
        lines += _metric(name, kind, [(f'{worker},slot="{_escaped(slot.slot)}"', value(slot)) for slot in status.slots])
    models = [
        (f'{worker},slot="{_escaped(slot.slot)}",model="{_escaped(model)}"', size)
        for slot in status.slots
        for model, size in slot.models.items()
    ]
    return "\n".join([*lines, *_metric("warm_process_model_bytes", "gauge", models)]) + "\n"


async def serve_status(host: str, port: int, status: Callable[[], WorkerStatus]) -> asyncio.Server:
    """Answer GET /metrics and GET /status."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await asyncio.wait_for(reader.readline(), 5)).decode("latin-1").split(" ")
            writer.write(_response(request[1] if len(request) > 1 else "", status))
            await writer.drain()
        except (TimeoutError, ConnectionError, ValueError):
            pass  # whoever asked is gone, or did not speak HTTP
        finally:
            writer.close()

    return await asyncio.start_server(answer, host, port)


def _response(path: str, status: Callable[[], WorkerStatus]) -> bytes:
    code, kind, body = "404 Not Found", "text/plain", "Ask for /metrics or /status.\n"
    if path == "/metrics":
        code, kind, body = "200 OK", "text/plain; version=0.0.4", as_metrics(status())
    elif path == "/status":
        code, kind, body = "200 OK", "application/json", status().model_dump_json()
    head = (
        f"HTTP/1.1 {code}\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n"
    )
    return (head + body).encode()


def _metric(name: str, kind: str, values: list[tuple[str, Any]]) -> list[str]:
    return [f"# TYPE {name} {kind}", *(f"{name}{{{labels}}} {json.dumps(value)}" for labels, value in values)]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
