"""/api/webhooks: register, list and remove the URLs that receive an event when a job ends."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.access import Maker
from gateway.http.jobs.webhooks import Webhook

router = APIRouter(prefix="/api/webhooks", tags=["Jobs"])


class NewWebhook(BaseModel):
    """The URL to send events to."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(min_length=8, max_length=2000, pattern=r"^https?://[^\s\x00]+$")]


class KnownWebhook(BaseModel):
    """A webhook without its secret."""

    id: UUID
    url: str


@router.post("", status_code=201)
def create_webhook(caller: Maker, wanted: NewWebhook) -> Webhook:
    """Register a URL that receives an event when a job of the project ends.

    The secret is shown once; it verifies `webhook-signature`.
    """
    return caller.services.webhooks.create(caller.project, wanted.url)


@router.get("")
def list_webhooks(caller: Maker) -> list[KnownWebhook]:
    """List the webhooks of the project."""
    found = caller.services.webhooks.list_webhooks(caller.project)
    return [KnownWebhook(id=each.id, url=each.url) for each in found]


@router.delete("/{webhook}", status_code=204)
def remove_webhook(caller: Maker, webhook: UUID) -> None:
    """Remove a webhook."""
    caller.services.webhooks.remove(caller.project, webhook)
