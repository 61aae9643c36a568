"""Deliver webhook events, signed as https://www.standardwebhooks.com describes, at least once, with backoff.

Pending deliveries are objects in the bucket, so they survive a restart. Each attempt claims its delivery by
compare-and-swap, so two gateways do not send it at the same time.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import standardwebhooks
from pydantic import BaseModel, ValidationError

from flows.running.errors import EXPECTED, DownloadFailed
from gateway.errors import GatewayError, WrongInput
from gateway.http.jobs.job import Job
from gateway.http.jobs.webhooks import Webhook, Webhooks
from storage.bucket import Bucket
from storage.errors import Conflict, ObjectNotFound

_PREFIX = "gateway/deliveries/"
_POLL_SECONDS = 2.0
_TIMEOUT_SECONDS = 10.0
_AT_ONCE = 16
_FIRST_BACKOFF_SECONDS, _MAX_BACKOFF_SECONDS, _MAX_ATTEMPTS = 5.0, 6 * 3600.0, 10
_LOG = logging.getLogger("uvicorn.error")

ReadJobs = Callable[[Sequence[UUID]], Awaitable[dict[UUID, Job]]]


class _Delivery(BaseModel):
    """A pending event for one webhook: the end of a job, or `event`; `due` is the Unix time of the next attempt."""

    job: UUID
    """Of the job; a random one where there is an event."""
    event: dict[str, Any] | None = None
    webhook: UUID
    project: str
    attempts: int = 0
    due: float = 0.0

    @property
    def key(self) -> str:
        return f"{_PREFIX}{self.job}-{self.webhook}.json"

    def pause_seconds(self) -> float:
        """How long the attempt after those made is waited for."""
        return _TIMEOUT_SECONDS + min(_FIRST_BACKOFF_SECONDS * 3 ** (self.attempts - 1), _MAX_BACKOFF_SECONDS)

    def is_due(self, now: float) -> bool:
        """Whether it is time for the next attempt; also when the clock was set back since the last one."""
        return not now < self.due <= now + self.pause_seconds()


class Deliveries:
    """The pending deliveries of all projects, and the loop that sends them."""

    def __init__(self, bucket: Bucket, webhooks: Webhooks) -> None:
        self._bucket = bucket
        self._webhooks = webhooks
        self._attempts: dict[str, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="webhook")

    def enqueue(self, job: Job) -> None:
        """Create a delivery of the job's end for each webhook of its project."""
        for webhook in self._webhooks.list_webhooks(job.project):
            delivery = _Delivery(job=job.id, webhook=webhook.id, project=job.project)
            self._bucket.create(delivery.key, delivery.model_dump_json().encode(), media_type="application/json")

    @asynccontextmanager
    async def running(self, read_jobs: ReadJobs) -> AsyncGenerator[None]:
        """Deliver while the context lasts."""
        task = asyncio.create_task(self._deliver_forever(read_jobs))
        try:
            yield
        finally:
            for each in (task, *self._attempts.values()):
                each.cancel()
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _deliver_forever(self, read_jobs: ReadJobs) -> None:
        while True:
            try:
                await self._start_due(read_jobs)
            except (*EXPECTED, GatewayError) as error:
                _LOG.warning("webhooks wait: %s", error)
            except Exception:
                _LOG.exception("webhooks wait, after an unexpected error")
            await asyncio.sleep(_POLL_SECONDS)

    async def _start_due(self, read_jobs: ReadJobs) -> None:
        """Start a task for each delivery that is due and has none: a slow receiver does not delay the others."""
        found = await asyncio.to_thread(self._list_due)
        due = [(delivery, etag) for delivery, etag in found if delivery.key not in self._attempts]
        if not due:
            return
        jobs = await read_jobs(list({delivery.job for delivery, _ in due if delivery.event is None}))
        for delivery, etag in due:
            task = asyncio.create_task(self._attempt(delivery, etag, jobs.get(delivery.job)))
            self._attempts[delivery.key] = task
            task.add_done_callback(partial(self._ended, delivery.key))

    def _ended(self, key: str, task: "asyncio.Task[None]") -> None:
        self._attempts.pop(key, None)
        if not task.cancelled() and (error := task.exception()):
            _LOG.warning("a webhook waits: %r", error)

    async def _attempt(self, delivery: _Delivery, etag: str, job: Job | None) -> None:
        """Send one delivery if its job is final; drop it if its job or webhook no longer exists."""
        if job is not None and not job.is_final:
            return
        webhook = await asyncio.to_thread(self._webhooks.find, delivery.project, delivery.webhook)
        body = _body(delivery, job)
        if webhook is None or body is None:
            await asyncio.to_thread(self._bucket.remove, delivery.key)
            return
        claimed = delivery.model_copy(update={"attempts": delivery.attempts + 1})
        claimed = claimed.model_copy(update={"due": time.time() + claimed.pause_seconds()})
        try:
            data = claimed.model_dump_json().encode()
            await asyncio.to_thread(self._bucket.replace, delivery.key, data, etag=etag)
        except (Conflict, ObjectNotFound):
            return
        if await self._send(webhook, delivery.job, body) or claimed.attempts >= _MAX_ATTEMPTS:
            await asyncio.to_thread(self._bucket.remove, delivery.key)

    async def _send(self, webhook: Webhook, event: UUID, body: str) -> bool:
        """POST the event; return whether the receiver accepted it."""
        headers = _signed_headers(webhook.secret, f"{event}-{webhook.id}", body)
        send = partial(self._webhooks.send, webhook, body.encode(), headers, _TIMEOUT_SECONDS)
        try:
            status = await asyncio.get_running_loop().run_in_executor(self._threads, send)
        except (DownloadFailed, WrongInput) as error:
            _LOG.warning("the webhook %s was not told: %s", webhook.id, error)
            return False
        return 200 <= status < 300

    def _list_due(self) -> list[tuple[_Delivery, str]]:
        """Return the deliveries whose next attempt is due, each with the ETag of its object."""
        found: list[tuple[_Delivery, str]] = []
        for listed in self._bucket.objects(_PREFIX):
            try:
                data, etag = self._bucket.read_versioned(listed.key)
            except ObjectNotFound:
                continue
            try:
                delivery = _Delivery.model_validate_json(data)
            except ValidationError:
                _LOG.warning("the delivery %s cannot be read and is left out", listed.key)
                continue
            if delivery.is_due(time.time()):
                found.append((delivery, etag))
        return found


def enqueue_event(bucket: Bucket, webhooks: Webhooks, project: str, kind: str, data: Mapping[str, Any]) -> int:
    """Create a delivery of an event for each webhook of a project; return how many there are."""
    event, hooks = uuid4(), webhooks.list_webhooks(project)
    for webhook in hooks:
        delivery = _Delivery(job=event, webhook=webhook.id, project=project, event={"type": kind, "data": dict(data)})
        bucket.create(delivery.key, delivery.model_dump_json().encode(), media_type="application/json")
    return len(hooks)


def _body(delivery: _Delivery, job: Job | None) -> str | None:
    """The event as JSON; None if its job does not exist any more."""
    event = delivery.event or (job and {"type": f"job.{job.state}", "data": job.model_dump(mode="json")})
    return json.dumps(event, ensure_ascii=False) if event else None


def _signed_headers(secret: str, event_id: str, body: str) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(secret).sign(event_id, now, body),
    }
