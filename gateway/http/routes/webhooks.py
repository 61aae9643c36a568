"""/api/webhooks: addresses that are told when a job ends."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.access import Maker
from gateway.http.jobs.webhooks import Webhook

router = APIRouter(prefix="/api/webhooks", tags=["Jobs"])


class NewWebhook(BaseModel):
    """Where to tell."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(min_length=8, max_length=2000, pattern=r"^https?://[^\s\x00]+$")]


class KnownWebhook(BaseModel):
    """A webhook without its secret."""

    id: UUID
    url: str


@router.post("", status_code=201)
def create_webhook(caller: Maker, wanted: NewWebhook) -> Webhook:
    """Tell an address when jobs of the project end. The secret is shown once; it verifies `webhook-signature`."""
    return caller.services.webhooks.create(caller.project, wanted.url)


@router.get("")
def list_webhooks(caller: Maker) -> list[KnownWebhook]:
    """Who is told."""
    return [KnownWebhook(id=hook.id, url=hook.url) for hook in caller.services.webhooks.of(caller.project)]


@router.delete("/{webhook}", status_code=204)
def remove_webhook(caller: Maker, webhook: UUID) -> None:
    """Tell an address no more."""
    caller.services.webhooks.remove(caller.project, webhook)
