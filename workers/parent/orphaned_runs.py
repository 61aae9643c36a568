"""Recover the runs that a killed worker on this machine left in an unfinished state."""

import asyncio
from logging import LoggerAdapter
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Scheduled

from workers.options import WarmOptions
from workers.parent.infrastructure_id import InfrastructureId, parse_infrastructure_id
from workers.parent.states import mark_cancelled, retry_during_outage, retry_or_crash

_UNFINISHED = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
_PAGE = 200
_RECHECK_SECONDS = 2.0


async def recover_orphaned_runs(
    client: PrefectClient, pool: str, options: WarmOptions, logger: "LoggerAdapter[Any] | Any"
) -> None:
    """Cancel, reschedule, retry or crash each unfinished run of the pool whose process on this machine is dead."""
    machine = options.machine
    suspects = {
        flow_run.id
        for flow_run in await _unfinished_runs(client, pool)
        if await _dead_process_of(client, flow_run, machine)
    }
    if not suspects:
        return
    # Another worker may just have claimed a run that a dead process had before; its new claim is visible by then.
    await asyncio.sleep(_RECHECK_SECONDS)
    for flow_run in await _unfinished_runs(client, pool):
        if flow_run.id in suspects and (found := await _dead_process_of(client, flow_run, machine)):
            logger.warning("Flow run '%s' was left behind by process %s, which is gone", flow_run.id, found.pid)
            await _recover(client, flow_run, found, options.attempts)


async def _recover(client: PrefectClient, flow_run: FlowRun, found: InfrastructureId, attempts: int) -> None:
    if flow_run.state_type is StateType.CANCELLING:
        await mark_cancelled(client, flow_run.id, "Cancelled; its worker ended before the flow did.")
    elif flow_run.state_type is StateType.PENDING:
        again = Scheduled(message="Its worker ended before it began: it waits for the next one.")
        await retry_during_outage(lambda: client.set_flow_run_state(flow_run.id, again, force=True))
    else:
        reason = f"The worker on {found.machine} ended while process {found.pid} had this run in hand."
        await retry_or_crash(client, flow_run.id, reason, attempts)


async def _dead_process_of(client: PrefectClient, flow_run: FlowRun, machine: str) -> InfrastructureId | None:
    """Return the process that executed the run, if it belongs to this machine and is dead."""
    # `infrastructure_pid` may be that of an earlier attempt, or missing after an outage: the last claim comes first.
    states = await retry_during_outage(lambda: client.read_flow_run_states(flow_run.id))
    claims = [state.message for state in sorted(states, key=lambda one: one.timestamp) if state.is_pending()]
    found = parse_infrastructure_id(claims[-1] if claims else None) or parse_infrastructure_id(
        flow_run.infrastructure_pid
    )
    return found if found is not None and found.machine == machine and not found.is_alive else None


async def _unfinished_runs(client: PrefectClient, pool: str) -> list[FlowRun]:
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED)))
    of_pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    found: list[FlowRun] = []

    async def page() -> list[FlowRun]:
        return await client.read_flow_runs(
            flow_run_filter=wanted, work_pool_filter=of_pool, limit=_PAGE, offset=len(found)
        )

    while part := await retry_during_outage(page):
        found += part
    return found
