"""Webhooks: who asked to be told is told, with a signature, again after a failure, and after a restart."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from gateway.errors import WrongInput
from gateway.http.jobs.job import Job
from gateway.http.jobs.webhooks import Webhook, Webhooks, check_address
from stack import lifecycle
from stack.processes import stop_process
from stack.servers import gateway
from storage.bucket import Bucket


class Receiver:
    """A server that keeps what it is told; it fails as often as `failures` says."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, str], str]] = []
        self.failures = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                outer.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
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


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_the_end_of_a_job_is_told_signed_and_again_after_a_restart(
    maker: httpx.Client, receiver: Receiver, stack_home: Path
) -> None:
    hook = maker.post("/api/webhooks", json={"url": receiver.url}).json()
    assert "secret" not in json.dumps(maker.get("/api/webhooks").json())
    receiver.failures = 1
    order = {"prompt": "cat", "count": 1, "steps": 2, "seed": 31}
    job = maker.post("/api/jobs", json={"deployment": "generate-images", "parameters": order}).json()
    until(lambda: len(receiver.told) >= 1, explain=lambda: maker.get(f"/api/jobs/{job['id']}").text)
    stop_process(stack_home, gateway.NAME)
    lifecycle.up(stack_home)
    until(lambda: len(receiver.told) >= 2)
    (_, first), (headers, body) = receiver.told
    assert body == first
    assert json.loads(body)["type"] == "job.completed"
    assert json.loads(body)["data"]["id"] == job["id"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    key = base64.b64decode(hook["secret"].removeprefix("whsec_"))
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert maker.delete(f"/api/webhooks/{hook['id']}").status_code == 204
    assert maker.delete(f"/api/webhooks/{hook['id']}").status_code == 404


@pytest.mark.parametrize("url", ["http://xn--a/", "http://0\x7f/", "http://h/\x00", "http://[::1/", "http:///x", "x"])
def test_what_is_no_address_is_refused_also_on_this_machine(url: str) -> None:
    with pytest.raises(WrongInput):
        check_address(url, local=True)


def test_an_address_that_nothing_can_be_sent_to_does_not_hold_up_the_others(bucket: Bucket, receiver: Receiver) -> None:
    webhooks = Webhooks(bucket, local=True)
    project = f"hooks-{uuid4().hex[:8]}"
    lost = Webhook(project=project, url="http://0\x7f/")  # as an older version took it
    key = f"gateway/webhooks/{project}/{lost.id}.json"
    bucket.create(key, lost.model_dump_json().encode(), media_type="application/json")
    webhooks.create(project, receiver.url)
    jobs = [_ended(project), _ended(project)]

    async def states(wanted: Sequence[UUID]) -> dict[UUID, Job]:
        return {job.id: job for job in jobs if job.id in wanted}

    async def tell() -> None:
        async with webhooks.running(states):
            for job in jobs:
                await asyncio.to_thread(webhooks.expect, job)
                told = len(receiver.told)
                await asyncio.to_thread(until, lambda told=told: len(receiver.told) > told, 30)

    asyncio.run(tell())


def _ended(project: str) -> Job:
    known = {"name": "a job", "deployment": "search", "project": project, "by": "maker", "state": "completed"}
    unknown = dict.fromkeys(("position", "estimate_seconds", "message", "created", "started", "ended"))
    return Job.model_validate({"id": uuid4(), "progress": 1.0, **known, **unknown})


@pytest.mark.parametrize("url", ["http://example.org/", "https://127.0.0.1/", "https://localhost/", "ftp://x/"])
def test_only_https_to_public_hosts_is_told(url: str) -> None:
    with pytest.raises(WrongInput):
        check_address(url, local=False)


def until(holds: Callable[[], bool], seconds: float = 180, explain: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.2)
