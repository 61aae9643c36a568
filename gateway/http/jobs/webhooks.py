"""Webhooks: when a job ends, its project's addresses are told, signed as https://www.standardwebhooks.com describes.

What is still to be told lies in the bucket, so that neither a restart nor a second gateway loses or repeats it: who
sends first moves its next attempt on, by compare-and-swap.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import logging
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import httpx
from pydantic import BaseModel, Field

from flows.running.errors import EXPECTED
from gateway.errors import GatewayError, NotThere, WrongInput
from gateway.http.jobs.job import Job
from storage.bucket import Bucket
from storage.errors import Conflict, ObjectNotFound

_HOOKS, _DELIVERIES = "gateway/webhooks/", "gateway/deliveries/"
_LOOK_SECONDS = 2.0
_SEND_SECONDS = 10.0
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS, _ATTEMPTS = 5.0, 6 * 3600.0, 10
_MOST_HOOKS = 20
_LOG = logging.getLogger("uvicorn.error")

States = Callable[[Sequence[UUID]], Awaitable[dict[UUID, Job]]]


class Webhook(BaseModel):
    """An address that is told when a job of the project ends; `secret` signs what it gets."""

    id: UUID = Field(default_factory=uuid4)
    project: str
    url: str
    secret: str = Field(default_factory=lambda: f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}")


class _Delivery(BaseModel):
    """One job for one address; `due` is the time of the next attempt, in seconds since 1970."""

    job: UUID
    webhook: UUID
    project: str
    attempts: int = 0
    due: float = 0.0

    @property
    def key(self) -> str:
        return f"{_DELIVERIES}{self.job}-{self.webhook}.json"


class Webhooks:
    """The addresses of every project, and what they have not been told yet."""

    def __init__(self, bucket: Bucket, *, local: bool) -> None:
        self._bucket = bucket
        self._local = local

    def create(self, project: str, url: str) -> Webhook:
        """Tell this address from now on. Raises WrongInput for one that may not be told."""
        check_address(url, local=self._local)
        if len(self.of(project)) >= _MOST_HOOKS:
            raise WrongInput(f"Project {project} has {_MOST_HOOKS} webhooks, and more are not possible.")
        hook = Webhook(project=project, url=url)
        self._bucket.create(_hook_key(project, hook.id), hook.model_dump_json().encode(), media_type="application/json")
        return hook

    def of(self, project: str) -> list[Webhook]:
        """The webhooks of a project."""
        keys = [found.key for found in self._bucket.objects(f"{_HOOKS}{project}/")]
        return [hook for key in keys if (hook := self._hook(key))]

    def remove(self, project: str, hook: UUID) -> None:
        """Tell this address no more. Raises NotThere."""
        if self._hook(_hook_key(project, hook)) is None:
            raise NotThere(f"Project {project} has no webhook {hook}.")
        self._bucket.remove(_hook_key(project, hook))

    def expect(self, job: Job) -> None:
        """Remember whom to tell of this job's end."""
        for hook in self.of(job.project):
            note = _Delivery(job=job.id, webhook=hook.id, project=job.project)
            self._bucket.create(note.key, note.model_dump_json().encode(), media_type="application/json")

    @asynccontextmanager
    async def running(self, states: States) -> AsyncGenerator[None]:
        """Tells while the context lasts."""
        task = asyncio.create_task(self._go_on(states))
        try:
            yield
        finally:
            task.cancel()

    async def _go_on(self, states: States) -> None:
        while True:
            try:
                await self._tell_all(states)
            except (*EXPECTED, GatewayError) as error:
                _LOG.warning("webhooks wait: %s", error)
            except Exception:
                _LOG.exception("webhooks wait, for a reason that nobody thought of")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _tell_all(self, states: States) -> None:
        due = await asyncio.to_thread(self._due)
        if not due:
            return
        jobs = await states(list({note.job for note, _ in due}))
        sending = [self._tell(note, etag, jobs.get(note.job)) for note, etag in due]
        for failure in await asyncio.gather(*sending, return_exceptions=True):
            if isinstance(failure, BaseException):  # of one address; the others were told
                _LOG.warning("a webhook waits: %r", failure)

    async def _tell(self, note: _Delivery, etag: str, job: Job | None) -> None:
        if job is not None and not job.is_final:
            return
        hook = await asyncio.to_thread(self._hook, _hook_key(note.project, note.webhook))
        if hook is None or job is None:
            await asyncio.to_thread(self._bucket.remove, note.key)
            return
        wait = min(_FIRST_WAIT_SECONDS * 3**note.attempts, _LONGEST_WAIT_SECONDS)
        claimed = note.model_copy(update={"attempts": note.attempts + 1, "due": time.time() + _SEND_SECONDS + wait})
        try:
            data = claimed.model_dump_json().encode()
            await asyncio.to_thread(self._bucket.replace, note.key, data, etag=etag)
        except (Conflict, ObjectNotFound):
            return
        if await self._send(hook, job) or claimed.attempts >= _ATTEMPTS:
            await asyncio.to_thread(self._bucket.remove, note.key)

    async def _send(self, hook: Webhook, job: Job) -> bool:
        body = json.dumps({"type": f"job.{job.state}", "data": job.model_dump(mode="json")}, ensure_ascii=False)
        headers = signed(hook.secret, f"{job.id}-{hook.id}", int(time.time()), body)
        try:
            await asyncio.to_thread(check_address, hook.url, local=self._local)
            async with httpx.AsyncClient(timeout=_SEND_SECONDS, follow_redirects=False, trust_env=False) as client:
                answer = await client.post(hook.url, content=body.encode(), headers=headers)
        except (httpx.HTTPError, WrongInput) as error:
            _LOG.warning("the webhook %s was not told: %s", hook.id, error)
            return False
        return answer.is_success

    def _due(self) -> list[tuple[_Delivery, str]]:
        found: list[tuple[_Delivery, str]] = []
        for listed in self._bucket.objects(_DELIVERIES):
            try:
                data, etag = self._bucket.read_versioned(listed.key)
            except ObjectNotFound:
                continue
            note = _Delivery.model_validate_json(data)
            if note.due <= time.time():
                found.append((note, etag))
        return found

    def _hook(self, key: str) -> Webhook | None:
        try:
            return Webhook.model_validate_json(self._bucket.get(key))
        except ObjectNotFound:
            return None


def signed(secret: str, identity: str, timestamp: int, body: str) -> dict[str, str]:
    """The headers that prove who sent a body, and when."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{identity}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def check_address(url: str, *, local: bool) -> None:
    """Raises WrongInput unless it is https to a public host; with `local`, this machine and its network do too."""
    try:
        parts = httpx.URL(url)
        host, port = parts.host, parts.port or 443
    except (httpx.InvalidURL, ValueError) as error:
        raise WrongInput("The address of the webhook is none.") from error
    if not host or parts.scheme not in ("https", "http"):
        raise WrongInput("A webhook needs an https address.")
    if local:
        return
    if parts.scheme != "https":
        raise WrongInput("A webhook needs an https address; TRIPTYCH_GATEWAY_LOCAL_WEBHOOKS=true allows this machine.")
    try:
        found = {ipaddress.ip_address(entry[4][0]) for entry in socket.getaddrinfo(host, port)}
    except (OSError, ValueError, UnicodeError) as error:
        raise WrongInput(f"The host {host} of the webhook is not known.") from error
    if not all(address.is_global for address in found):
        raise WrongInput(f"The host {host} of the webhook is in a private network.")


def _hook_key(project: str, hook: UUID) -> str:
    return f"{_HOOKS}{project}/{hook}.json"
