"""The client outlasts a restart of the gateway while it waits for a job, and no longer than it was told."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest

from flows.running.errors import NotReachable
from gateway import Client
from gateway.client import Job

JOB = {
    "id": str(uuid4()),
    "name": "a job",
    "deployment": "search",
    "project": "default",
    "by": None,
    "position": None,
    "estimate_seconds": None,
    "message": None,
    "created": datetime.now(UTC).isoformat(),
    "started": None,
    "ended": None,
}


class Gateway(BaseHTTPRequestHandler):
    """A gateway that restarts: its first `failures` answers break off, or say that Prefect is away."""

    failures = 0

    def do_GET(self) -> None:
        cls = type(self)
        if cls.failures > 0:
            cls.failures -= 1
            if cls.failures % 2:
                self.connection.close()
                return
            self.answer(503, {"error": "The Prefect server does not answer."})
        elif self.path.endswith("/events"):
            self.answer(200, f"data: {json.dumps(JOB | {'state': 'completed', 'progress': 1.0})}\n\n")
        elif self.path.endswith("/result"):
            self.answer(200, {"hits": []})
        else:
            self.answer(200, JOB | {"state": "running", "progress": 0.5})

    def answer(self, status: int, body: Any) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_job_is_waited_for_while_the_gateway_restarts(address: str) -> None:
    Gateway.failures = 5
    with Client(address, "token") as client:
        assert client.result(Job.model_validate(JOB | {"state": "running", "progress": 0.0})) == {"hits": []}


def test_the_wait_ends_when_it_was_told_to(address: str) -> None:
    Gateway.failures = 10**9
    began = time.monotonic()
    with Client(address, "token", patience_seconds=1.5) as client, pytest.raises(NotReachable):
        client.result(Job.model_validate(JOB | {"state": "running", "progress": 0.0}))
    assert time.monotonic() - began > 1.5
    Gateway.failures = 0
