"""Flow runs in Prefect: the current one, and the progress and report that a run leaves as Prefect artifacts."""

import asyncio
import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from prefect.artifacts import Artifact as PrefectArtifact
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import Artifact as StoredPrefectArtifact
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled
from pydantic import BaseModel

from storage.artifacts import Artifact, ArtifactStore

REFUSED_STATE = "Refused"
"""Name of the state of a run that cannot succeed until a person changes something."""
REPORT = "report"
"""Type of the Prefect artifact that holds the reference of a run's report."""
_UPDATE_SECONDS = 0.5


class ProgressArtifact:
    """The progress bar of a run in the Prefect UI. Another run can continue it by its `id`."""

    def __init__(self, artifact_id: UUID) -> None:
        self.id = artifact_id
        self._updated_at = 0.0
        self._fraction = 0.0
        self._status: str | None = None

    def show_status(self, text: str) -> None:
        """Set the text beside the bar; it appears with the next change of the fraction."""
        self._status = text

    def __call__(self, fraction: float) -> None:
        """Move the bar to a fraction from 0 to 1, at most twice a second."""
        now = time.monotonic()
        if fraction == self._fraction or (now - self._updated_at < _UPDATE_SECONDS and fraction < 1.0):
            return
        self._updated_at = now
        # A run goes on when its progress cannot be shown.
        with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
            update = ArtifactUpdate(data=round(min(fraction, 1.0) * 100, 1))
            if self._status:
                update = update.model_copy(update={"description": self._status})
            client.update_artifact(self.id, update)
            self._fraction = fraction


def current_flow_run() -> FlowRun | None:
    """Return the flow run that this code runs in, if any."""
    context = FlowRunContext.get()
    return context.flow_run if context else None


async def cancel_overdue_runs() -> int:
    """Cancel the overdue runs that ask for the same as the current one, which does their work; count them.

    After a pause of the work pool, a schedule has one run for each time that was missed. A run that somebody started
    has his name among its tags, and stays.
    """
    current = current_flow_run()
    if current is None or current.deployment_id is None:
        return 0
    overdue = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[current.deployment_id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime.model_validate({"before_": datetime.now(UTC)}),
    )
    async with get_client() as client:
        found = await client.read_flow_runs(flow_run_filter=overdue)
        runs = [run for run in found if (run.parameters, run.tags) == (current.parameters, current.tags)]
        for run in runs:
            state = Cancelled(message=f"It was overdue, and {current.name} does its work.")
            with suppress(ObjectNotFound):
                await client.set_flow_run_state(run.id, state)
    return len(runs)


async def publish_report(store: ArtifactStore, report: BaseModel) -> None:
    """Store the report in the bucket and its reference as a Prefect artifact of the current run."""
    kept = await asyncio.to_thread(store.put, report.model_dump_json().encode(), "application/json")
    await PrefectArtifact(type=REPORT, data=kept.model_dump(), description=str(report)).acreate()


async def published_message() -> str | None:
    """Return the sentence of the report that an earlier attempt of the current run published, if it did."""
    run = current_flow_run()
    if run is None:
        return None
    async with get_client() as client:
        found = await _reports(client, run.id)
    return (found[0].description or "Done.") if found else None


async def fetch_report(client: PrefectClient, store: ArtifactStore, flow_run_id: UUID) -> dict[str, Any] | None:
    """Read the report of a completed run; None if it published none."""
    found = await _reports(client, flow_run_id)
    if not found:
        return None
    reference = Artifact.model_validate_json(str(found[0].data))
    return json.loads(await asyncio.to_thread(store.get, reference))


async def fetch_progress(client: PrefectClient, flow_run_id: UUID) -> float:
    """Read the progress of a run, from 0 to 1."""
    found = await client.read_artifacts(
        artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=["progress"])),
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])),
    )
    return max((float(str(artifact.data or 0)) / 100 for artifact in found), default=0.0)


async def _reports(client: PrefectClient, flow_run_id: UUID) -> list[StoredPrefectArtifact]:
    return await client.read_artifacts(
        artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=[REPORT])),
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])),
    )
