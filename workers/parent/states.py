"""The states that the worker itself writes: claims, crashes, and cancels that the engine could not finish."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Abort, ObjectNotFound, Pause
from prefect.states import AwaitingRetry, Cancelled, Crashed, Pending
from prefect.types._datetime import now
from prefect.utilities.engine import propose_state

_T = TypeVar("_T")
_PAUSE_SECONDS = 2.0
_RETRY_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 60.0
"""Before the second attempt, and twice as long before each further one."""


async def patiently(call: Callable[[], Awaitable[_T]]) -> _T:
    """Ask until the server can be reached: what happened to a run must not be lost."""
    while True:
        try:
            return await call()
        except httpx.TransportError:
            await asyncio.sleep(_PAUSE_SECONDS)
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)


async def claim(client: PrefectClient, flow_run: FlowRun, place: str) -> bool:
    """Make the run ours by setting it Pending; False when another worker, a limit or a cancel was faster.

    The state says who claimed it, so that a worker killed in this very moment leaves a trace for the next one.
    """
    try:
        state = await propose_state(client, Pending(message=f"Claimed by {place}"), flow_run_id=flow_run.id)
    except (Abort, Pause, ObjectNotFound):
        return False
    flow_run.state, flow_run.state_type, flow_run.state_name = state, state.type, state.name
    return state.is_pending()


async def is_over(client: PrefectClient, flow_run_id: UUID) -> FlowRun | None:
    """The run as the server has it, or None when there is nothing left to say: it is final, waits, or was deleted."""
    try:
        flow_run = await patiently(lambda: client.read_flow_run(flow_run_id))
    except ObjectNotFound:
        return None
    state = flow_run.state
    over = state is None or state.is_final() or state.is_paused() or state.is_scheduled()
    return None if over else flow_run


async def crash(client: PrefectClient, flow_run_id: UUID, message: str) -> FlowRun | None:
    """Say Crashed, unless the run is over. Returns the run when it crashed by this."""
    flow_run = await is_over(client, flow_run_id)
    if flow_run is None:
        return None
    try:
        state = await patiently(lambda: propose_state(client, Crashed(message=message), flow_run_id=flow_run_id))
    except (Abort, Pause, ObjectNotFound):
        return None
    flow_run.state = state
    return flow_run if state.is_crashed() else None


async def put_back(client: PrefectClient, flow_run_id: UUID, reason: str, attempts: int) -> FlowRun | None:
    """Let a run whose process died wait for another attempt, or say Crashed when it had them all.

    Returns the run when it crashed by this.
    """
    flow_run = await is_over(client, flow_run_id)
    if flow_run is None or flow_run.state is None:
        return None
    begun = await _attempts(client, flow_run_id)
    if begun >= attempts or flow_run.state.is_cancelling():
        given_up = f"Given up after {begun} attempts. The last one: " if attempts > 1 else ""
        return await crash(client, flow_run_id, given_up + reason)
    pause = timedelta(seconds=min(_LONGEST_PAUSE_SECONDS, _RETRY_SECONDS * 2 ** max(0, begun - 1)))
    again = AwaitingRetry(message=f"{reason} It had {begun} of {attempts} attempts.", scheduled_time=now("UTC") + pause)
    await patiently(lambda: client.set_flow_run_state(flow_run_id, again, force=True))
    return None


async def _attempts(client: PrefectClient, flow_run_id: UUID) -> int:
    """How often the run was claimed since it last ended: a flow that cannot even be loaded never says Running."""
    states = await patiently(lambda: client.read_flow_run_states(flow_run_id))
    claims = 0
    for state in sorted(states, key=lambda one: one.timestamp):
        claims = 0 if state.is_final() else claims + state.is_pending()
    return claims


async def finish_cancel(client: PrefectClient, flow_run_id: UUID, message: str) -> None:
    """Say Cancelled where the engine could not."""
    if await is_over(client, flow_run_id) is not None:
        state = Cancelled(message=message)
        await patiently(lambda: client.set_flow_run_state(flow_run_id, state, force=True))
