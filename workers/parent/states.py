"""Set the states that Prefect's engine does not: claim a run, and retry, crash or cancel one whose process died."""

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
from tenacity import retry, retry_if_exception, wait_fixed

_T = TypeVar("_T")
_OUTAGE_RETRY_SECONDS = 2.0
_FIRST_BACKOFF_SECONDS, _MAX_BACKOFF_SECONDS = 1.0, 60.0
"""Before the second attempt, and twice as long before each further one."""


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


@retry(retry=retry_if_exception(_is_outage), wait=wait_fixed(_OUTAGE_RETRY_SECONDS))
async def retry_during_outage(call: Callable[[], Awaitable[_T]]) -> _T:
    """Repeat a request until the server can be reached, so that the end of a run is never lost."""
    return await call()


async def claim(client: PrefectClient, flow_run: FlowRun, claimed_by: str) -> bool:
    """Claim the run by proposing Pending. Returns False if the server refuses: claimed elsewhere, limited, cancelled.

    The message of the state names the claimant, so that the run can be recovered if the worker is killed right now.
    """
    try:
        state = await propose_state(client, Pending(message=f"Claimed by {claimed_by}"), flow_run_id=flow_run.id)
    except (Abort, Pause, ObjectNotFound):
        return False
    flow_run.state, flow_run.state_type, flow_run.state_name = state, state.type, state.name
    return state.is_pending()


async def unfinished_run(client: PrefectClient, flow_run_id: UUID) -> FlowRun | None:
    """Read the run from the server; None if it is final, paused, scheduled again, or deleted."""
    try:
        flow_run = await retry_during_outage(lambda: client.read_flow_run(flow_run_id))
    except ObjectNotFound:
        return None
    state = flow_run.state
    finished = state is None or state.is_final() or state.is_paused() or state.is_scheduled()
    return None if finished else flow_run


async def mark_crashed(client: PrefectClient, flow_run_id: UUID, message: str) -> FlowRun | None:
    """Propose Crashed for an unfinished run. Returns the run if the server accepted it."""
    flow_run = await unfinished_run(client, flow_run_id)
    if flow_run is None:
        return None
    try:
        state = await retry_during_outage(
            lambda: propose_state(client, Crashed(message=message), flow_run_id=flow_run_id)
        )
    except (Abort, Pause, ObjectNotFound):
        return None
    flow_run.state = state
    return flow_run if state.is_crashed() else None


async def retry_or_crash(client: PrefectClient, flow_run_id: UUID, reason: str, attempts: int) -> FlowRun | None:
    """Schedule another attempt of a run whose process died, or mark it Crashed after the last one.

    Returns the run if it was marked Crashed.
    """
    flow_run = await unfinished_run(client, flow_run_id)
    if flow_run is None or flow_run.state is None:
        return None
    begun = await _count_attempts(client, flow_run_id)
    if begun >= attempts or flow_run.state.is_cancelling():
        given_up = f"Given up after {begun} attempts. The last one: " if attempts > 1 else ""
        return await mark_crashed(client, flow_run_id, given_up + reason)
    backoff = timedelta(seconds=min(_MAX_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2 ** max(0, begun - 1)))
    again = AwaitingRetry(
        message=f"{reason} It had {begun} of {attempts} attempts.", scheduled_time=now("UTC") + backoff
    )
    await retry_during_outage(lambda: client.set_flow_run_state(flow_run_id, again, force=True))
    return None


async def _count_attempts(client: PrefectClient, flow_run_id: UUID) -> int:
    """Count the claims since the last final state; not the Running states: a flow that cannot be loaded has none."""
    states = await retry_during_outage(lambda: client.read_flow_run_states(flow_run_id))
    claims = 0
    for state in sorted(states, key=lambda one: one.timestamp):
        claims = 0 if state.is_final() else claims + state.is_pending()
    return claims


async def mark_cancelled(client: PrefectClient, flow_run_id: UUID, message: str) -> None:
    """Force Cancelled for an unfinished run."""
    if await unfinished_run(client, flow_run_id) is not None:
        state = Cancelled(message=message)
        await retry_during_outage(lambda: client.set_flow_run_state(flow_run_id, state, force=True))
