"""Webhooks: the end of a job is delivered, signed, again after a failure and after a restart."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import standardwebhooks

from flows.running.errors import DownloadFailed
from gateway.errors import WrongInput
from gateway.http.jobs.deliveries import Deliveries
from gateway.http.jobs.job import Job
from gateway.http.jobs.webhook_requests import send_pinned, send_unchecked
from gateway.http.jobs.webhooks import Webhook, Webhooks, check_webhook_url
from stack import lifecycle
from stack.processes import stop_process
from stack.servers import gateway
from storage.bucket import Bucket


class Receiver:
    """A server that records what it receives; its first `failures` answers are 500."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], str]] = []
        self.failures = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                outer.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                outer.failures -= 1
                self.send_response(500 if outer.failures >= 0 else 204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (as the parent names it)
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()


@pytest.mark.serial
@pytest.mark.stack
@pytest.mark.timeout(600)
def test_the_end_of_a_job_is_delivered_signed_and_again_after_a_failure_and_a_restart(
    maker: httpx.Client, receiver: Receiver, stack_home: Path
) -> None:
    hook = maker.post("/api/webhooks", json={"url": receiver.url}).json()
    assert "secret" not in json.dumps(maker.get("/api/webhooks").json())
    receiver.failures = 1
    order = {"prompt": "cat", "count": 1, "steps": 2, "seed": 31}
    job = maker.post("/api/jobs", json={"deployment": "generate-images", "parameters": order}).json()
    until(lambda: len(receiver.received) >= 1, explain=lambda: maker.get(f"/api/jobs/{job['id']}").text)
    stop_process(stack_home, gateway.NAME)
    lifecycle.up(stack_home)
    until(lambda: len(receiver.received) >= 2)
    (_, first), (headers, body) = receiver.received
    assert body == first
    assert json.loads(body)["type"] == "job.completed"
    assert json.loads(body)["data"]["id"] == job["id"]
    standardwebhooks.Webhook(hook["secret"]).verify(body, headers)  # raises when the signature is wrong
    assert maker.delete(f"/api/webhooks/{hook['id']}").status_code == 204
    assert maker.delete(f"/api/webhooks/{hook['id']}").status_code == 404


@pytest.mark.parametrize("url", ["http://xn--a/", "http://0\x7f/", "http://h/\x00", "http://[::1/", "http:///x", "x"])
def test_what_is_no_url_is_refused_also_where_local_ones_are_allowed(url: str) -> None:
    with pytest.raises(WrongInput):
        check_webhook_url(url, local=True)


def test_a_url_that_fails_does_not_delay_the_other_deliveries(bucket: Bucket, receiver: Receiver) -> None:
    webhooks = Webhooks(bucket, local=True)
    deliveries = Deliveries(bucket, webhooks)
    project = f"hooks-{uuid4().hex[:8]}"
    lost = Webhook(project=project, url="http://0\x7f/")  # as an older version took it
    key = f"gateway/webhooks/{project}/{lost.id}.json"
    bucket.create(key, lost.model_dump_json().encode(), media_type="application/json")
    webhooks.create(project, receiver.url)
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections and says nothing, as a slow receiver does
    webhooks.create(project, f"http://127.0.0.1:{silent.getsockname()[1]}/")
    bucket.put("gateway/deliveries/broken.json", b"[]")
    jobs = [_ended(project) for _ in range(4)]

    async def read_jobs(wanted: Sequence[UUID]) -> dict[UUID, Job]:
        return {job.id: job for job in jobs if job.id in wanted}

    async def deliver() -> None:
        async with deliveries.running(read_jobs):
            for job in jobs:
                await asyncio.to_thread(deliveries.enqueue, job)
                before = len(receiver.received)
                began = time.monotonic()
                await asyncio.to_thread(until, lambda before=before: len(receiver.received) > before, 30)
                took.append(time.monotonic() - began)

    took: list[float] = []
    asyncio.run(deliver())
    silent.close()
    bucket.remove_all(["gateway/deliveries/broken.json"])
    assert min(took) < 10  # the silent one takes ten seconds for each


def test_an_attempt_has_one_deadline_and_drops_the_answer() -> None:
    def trickle() -> None:
        line, _ = server.accept()
        with contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 200 OK" + b" " * 1000:
                line.sendall(bytes([byte]))
                time.sleep(0.1)

    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=trickle, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(DownloadFailed):
        send_unchecked(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, 1.0)
    assert time.monotonic() - began < 30
    server.close()


@pytest.mark.parametrize("url", ["https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://10.0.0.1/"])
def test_an_address_that_embeds_a_private_one_is_refused_at_both_times(url: str) -> None:
    with pytest.raises(WrongInput):
        check_webhook_url(url, local=False)
    with pytest.raises(WrongInput):
        send_pinned(url, b"{}", {}, 1.0)


def _ended(project: str) -> Job:
    known = {"name": "a job", "deployment": "search", "project": project, "by": "maker", "state": "completed"}
    unknown = dict.fromkeys(("position", "estimate_seconds", "message", "created", "started", "ended"))
    return Job.model_validate({"id": uuid4(), "progress": 1.0, **known, **unknown})


@pytest.mark.parametrize("url", ["http://example.org/", "https://127.0.0.1/", "https://localhost/", "ftp://x/"])
def test_only_https_to_public_hosts_is_allowed(url: str) -> None:
    with pytest.raises(WrongInput):
        check_webhook_url(url, local=False)


@pytest.mark.parametrize("url", ["https://user:pw@example.org/", "https://user@127.0.0.1/"])
def test_credentials_in_an_address_are_refused_for_what_they_are(url: str) -> None:
    with pytest.raises(WrongInput, match="must not hold a user's name or password"):
        check_webhook_url(url, local=False)


def until(condition: Callable[[], bool], seconds: float = 180, explain: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.2)
