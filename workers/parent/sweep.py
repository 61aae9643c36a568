"""What an earlier worker on this machine left behind when it was killed: its runs still say Running."""

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
from workers.parent.identity import Infrastructure, parse_infrastructure
from workers.parent.states import finish_cancel, patiently, put_back

_UNDER_WAY = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
_PAGE = 200
_SECOND_LOOK_SECONDS = 2.0


async def sweep(client: PrefectClient, pool: str, options: WarmOptions, logger: "LoggerAdapter[Any] | Any") -> None:
    """Settle every run of this pool whose process, a warm one of this machine, is gone: another attempt, or its end."""
    machine = options.machine
    suspects = {
        flow_run.id for flow_run in await _under_way(client, pool) if await _left_behind(client, flow_run, machine)
    }
    if not suspects:
        return
    # Another worker may just have claimed a run that a dead process had before: then its note follows within a second.
    await asyncio.sleep(_SECOND_LOOK_SECONDS)
    for flow_run in await _under_way(client, pool):
        if flow_run.id in suspects and (found := await _left_behind(client, flow_run, machine)):
            logger.warning("Flow run '%s' was left behind by process %s, which is gone", flow_run.id, found.pid)
            await _settle(client, flow_run, found, options.attempts)


async def _settle(client: PrefectClient, flow_run: FlowRun, found: Infrastructure, attempts: int) -> None:
    if flow_run.state_type is StateType.CANCELLING:
        await finish_cancel(client, flow_run.id, "Cancelled; its worker ended before the flow did.")
    elif flow_run.state_type is StateType.PENDING:
        again = Scheduled(message="Its worker ended before it began: it waits for the next one.")
        await patiently(lambda: client.set_flow_run_state(flow_run.id, again, force=True))
    else:
        reason = f"The worker on {found.machine} ended while process {found.pid} had this run in hand."
        await put_back(client, flow_run.id, reason, attempts)


async def _left_behind(client: PrefectClient, flow_run: FlowRun, machine: str) -> Infrastructure | None:
    """The process that had the run, if it is one of this machine and gone."""
    # The id of the process may be that of an earlier attempt, or lost with a server that was down; the states tell.
    states = await patiently(lambda: client.read_flow_run_states(flow_run.id))
    claims = [state.message for state in sorted(states, key=lambda one: one.timestamp) if state.is_pending()]
    found = parse_infrastructure(claims[-1] if claims else None) or parse_infrastructure(flow_run.infrastructure_pid)
    return found if found is not None and found.machine == machine and not found.alive else None


async def _under_way(client: PrefectClient, pool: str) -> list[FlowRun]:
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY)))
    of_pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    found: list[FlowRun] = []

    async def page() -> list[FlowRun]:
        return await client.read_flow_runs(
            flow_run_filter=wanted, work_pool_filter=of_pool, limit=_PAGE, offset=len(found)
        )

    while part := await patiently(page):
        found += part
    return found
