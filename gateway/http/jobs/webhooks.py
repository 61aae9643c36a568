"""Webhooks: the URLs of a project that receive an event when a job of it ends, kept in the bucket."""

import base64
import secrets
from collections.abc import Mapping
from uuid import UUID, uuid4

import httpx
from pydantic import BaseModel, Field, ValidationError

from flows.library.pinned_https import PinnedHttps, checked_url
from flows.running.errors import AddressRefused, DownloadFailed
from gateway.errors import NotFound, WrongInput
from gateway.http.jobs.webhook_requests import send_pinned, send_unchecked
from storage.bucket import Bucket
from storage.errors import ObjectNotFound

_PREFIX = "gateway/webhooks/"
_MAX_PER_PROJECT = 20


class Webhook(BaseModel):
    """A URL that receives an event when a job of the project ends; `secret` is the key of the events' signatures."""

    id: UUID = Field(default_factory=uuid4)
    project: str
    url: str
    secret: str = Field(default_factory=lambda: f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}")


class Webhooks:
    """The registered webhooks of every project. `local` allows http and private networks, for tests and development."""

    def __init__(self, bucket: Bucket, *, local: bool) -> None:
        self._bucket = bucket
        self._local = local

    def create(self, project: str, url: str) -> Webhook:
        """Register a URL. Raises WrongInput if events may not be sent there."""
        self.check_url(url)
        if len(self.list_webhooks(project)) >= _MAX_PER_PROJECT:
            raise WrongInput(f"Project {project} has {_MAX_PER_PROJECT} webhooks, and more are not possible.")
        webhook = Webhook(project=project, url=url)
        data = webhook.model_dump_json().encode()
        self._bucket.create(_key(project, webhook.id), data, media_type="application/json")
        return webhook

    def list_webhooks(self, project: str) -> list[Webhook]:
        """Return the webhooks of a project."""
        keys = [found.key for found in self._bucket.objects(f"{_PREFIX}{project}/")]
        return [webhook for key in keys if (webhook := self._read(key))]

    def find(self, project: str, webhook_id: UUID) -> Webhook | None:
        """Return the webhook, or None if it was removed."""
        return self._read(_key(project, webhook_id))

    def remove(self, project: str, webhook_id: UUID) -> None:
        """Remove a webhook; its pending deliveries are dropped. Raises NotFound."""
        if self.find(project, webhook_id) is None:
            raise NotFound(f"Project {project} has no webhook {webhook_id}.")
        self._bucket.remove(_key(project, webhook_id))

    def send(self, webhook: Webhook, body: bytes, headers: Mapping[str, str], seconds: float) -> int:
        """POST to a webhook within a time that includes everything; return the status, and drop the answer's body.

        Raises WrongInput, DownloadFailed.
        """
        if self._local:
            return send_unchecked(webhook.url, body, headers, seconds)
        return send_pinned(webhook.url, body, headers, seconds)

    def check_url(self, url: str) -> None:
        """Resolve the URL's host and check it. Raises WrongInput."""
        check_webhook_url(url, local=self._local)

    def _read(self, key: str) -> Webhook | None:
        try:
            return Webhook.model_validate_json(self._bucket.get(key))
        except (ObjectNotFound, ValidationError):  # nobody is told through what cannot be read
            return None


def check_webhook_url(url: str, *, local: bool) -> None:
    """Raise WrongInput unless the URL is https to a public host (SSRF protection); `local` skips both conditions.

    A delivery checks again, and connects to the address that it has checked.
    """
    try:
        parts = httpx.URL(url)
        host = parts.host  # decodes international names
    except (httpx.InvalidURL, ValueError) as error:
        raise WrongInput("The address of the webhook is none.") from error
    if not host or parts.scheme not in ("https", "http"):
        raise WrongInput("A webhook needs an https address.")
    if not local:
        _check_public(url, parts, host)


def _check_public(url: str, parts: httpx.URL, host: str) -> None:
    if parts.scheme != "https":
        raise WrongInput("A webhook needs an https address; TRIPTYCH_GATEWAY_LOCAL_WEBHOOKS=true allows this machine.")
    if parts.userinfo:
        raise WrongInput("The address of a webhook must not hold a user's name or password: events are signed instead.")
    try:
        checked_url(url)
    except AddressRefused as error:
        raise WrongInput("The address of the webhook is none.") from error
    try:
        PinnedHttps().checked_address(host, parts.port or 443)
    except DownloadFailed as error:
        raise WrongInput(f"The host {host} of the webhook is not known.") from error
    except AddressRefused as error:
        raise WrongInput(f"The host {host} of the webhook is in a private network.") from error


def _key(project: str, webhook_id: UUID) -> str:
    return f"{_PREFIX}{project}/{webhook_id}.json"
