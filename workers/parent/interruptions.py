"""Forward the cancellations and suspensions of current runs, found by polling the server."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType

from workers.parent.run import Run


async def forward_interruptions(client: PrefectClient, runs: Mapping[UUID, Run], seconds: float) -> None:
    """Cancel or suspend each current run whose state at the server is Cancelling or Suspended; never returns."""
    cancels: set[asyncio.Task[None]] = set()
    while True:
        await asyncio.sleep(seconds)
        try:
            found = await _read_interrupted(client, list(runs)) if runs else []
        except httpx.HTTPError:
            continue  # the next poll finds them
        for flow_run in found:
            run = runs.get(flow_run.id)
            if run is None or flow_run.state is None:
                continue
            if flow_run.state.is_cancelling():
                task = asyncio.create_task(run.cancel())
                cancels.add(task)
                task.add_done_callback(cancels.discard)
            elif flow_run.state.name == "Suspended":
                run.suspend(flow_run.state)


async def _read_interrupted(client: PrefectClient, ids: list[UUID]) -> list[FlowRun]:
    wanted = FlowRunFilter(
        id=FlowRunFilterId(any_=ids),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING, StateType.PAUSED])),
    )
    return await client.read_flow_runs(flow_run_filter=wanted, limit=len(ids))
