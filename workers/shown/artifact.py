"""The worker's status in Prefect's UI: a Markdown artifact with a fixed key."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.exceptions import ObjectNotFound

from workers.shown.status import SlotStatus, WorkerStatus

_CLOSE_SECONDS = 2.0
_DESCRIPTION = "What the processes of this warm worker do."


def artifact_key(status: WorkerStatus) -> str:
    """Return the key of the worker's artifact, `warm-<pool>-<worker>`."""
    return re.sub(r"[^a-z0-9]+", "-", f"warm-{status.pool}-{status.worker}".lower()).strip("-")


def as_markdown(status: WorkerStatus) -> str:
    """Render the status as a table with a row for each slot."""
    oldest = f", the oldest for {status.queue_age_seconds:.0f} s" if status.waiting_runs else ""
    rows = "\n".join(_row(slot) for slot in status.slots)
    return (
        f"Worker **{status.worker}** of the pool **{status.pool}**: {status.waiting_runs} runs wait{oldest}.\n\n"
        "| slot | run in hand | models loaded | runs done | reloads | restarts | memory |\n"
        "|---|---|---|---|---|---|---|\n"
        f"{rows}\n"
    )


class WorkerArtifact:
    """Creates the artifact of one worker and updates it."""

    def __init__(self, client: PrefectClient, status: Callable[[], WorkerStatus]) -> None:
        self._client = client
        self._status = status
        self._id: UUID | None = None
        self._last_text = ""

    async def keep_updated(self, seconds: float) -> None:
        """Update the artifact at this interval, if the status has changed; 0: never."""
        while seconds:
            with suppress(httpx.HTTPError):  # the next update tries again
                await self._update(self._status())
            await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Write that the worker was stopped."""
        # During an outage, the client would retry for minutes.
        with suppress(httpx.HTTPError, TimeoutError):
            if self._id is not None:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._write(f"The worker **{self._status().worker}** was stopped, {_now()}.\n")

    async def _update(self, status: WorkerStatus) -> None:
        text = as_markdown(status)
        if text != self._last_text:
            if self._id is None:
                self._id = await self._find_or_create(artifact_key(status))
            self._last_text = text
            await self._write(f"{text}\nAs of {_now()}.\n")

    async def _write(self, text: str) -> None:
        try:
            await self._client.update_artifact(self._id, ArtifactUpdate(data=text))  # type: ignore[arg-type]
        except ObjectNotFound:
            self._id, self._last_text = None, ""  # somebody deleted it: the next update creates it again

    async def _find_or_create(self, key: str) -> UUID:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        if found := await self._client.read_artifacts(artifact_filter=wanted, limit=1):
            return found[0].id
        new = ArtifactCreate(key=key, type="markdown", description=_DESCRIPTION, data="")
        return (await self._client.create_artifact(new)).id


def _row(slot: SlotStatus) -> str:
    run = f"[{slot.flow_run_id}](/runs/flow-run/{slot.flow_run_id})" if slot.flow_run_id else "–"
    models = ", ".join(f"{model} {size / 1e6:.0f} MB" for model, size in slot.models.items()) or "–"
    state = run if slot.ready else "starts"
    # Rounded, because the artifact is written whenever its text changes.
    memory = f"{slot.resident_bytes / 1e9:.1f} GB"
    return f"| {slot.slot} | {state} | {models} | {slot.runs_done} | {slot.reloads} | {slot.restarts} | {memory} |"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
