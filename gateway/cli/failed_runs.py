"""List failed and crashed runs with their reasons, and retry them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import AwaitingRetry
from pydantic import BaseModel

from flows.running.prefect_runs import REFUSED_STATE
from gateway.errors import WrongInput

_PAGE = 200


class FailedRun(BaseModel):
    """A run that ended as Crashed (its process died), Failed, or Refused (its request cannot succeed)."""

    id: str
    name: str
    flow: str
    state: str
    reason: str
    attempts: int
    ended: datetime | None


async def failed_runs(client: PrefectClient) -> list[FailedRun]:
    """Return all runs in a failed state, latest first."""
    failed_states = FlowRunFilterStateType(any_=[StateType.FAILED, StateType.CRASHED])
    run_filter = FlowRunFilter(state=FlowRunFilterState(type=failed_states))
    runs: list[FlowRun] = []
    while page := await client.read_flow_runs(
        flow_run_filter=run_filter, sort=FlowRunSort.START_TIME_DESC, limit=_PAGE, offset=len(runs)
    ):
        runs += page
    names = {flow_id: (await client.read_flow(flow_id)).name for flow_id in {run.flow_id for run in runs}}
    return [
        FailedRun(
            id=str(run.id),
            name=run.name,
            flow=names[run.flow_id],
            state=(run.state.name if run.state else None) or "",
            reason=(run.state.message if run.state else None) or "No reason was given.",
            attempts=run.run_count,
            ended=run.end_time,
        )
        for run in runs
    ]


def run_by_id(runs: Sequence[FailedRun], prefix: str) -> FailedRun:
    """Return the run whose id begins with the prefix. Raises WrongInput unless there is exactly one."""
    found = [run for run in runs if prefix and run.id.startswith(prefix.lower())]
    if len(found) != 1:
        how_many = f"{len(found)} ids of failed runs begin" if found else "No id of a failed run begins"
        raise WrongInput(f"{how_many} with {prefix!r}: see `triptych failed`.")
    return found[0]


def retryable_runs(runs: Sequence[FailedRun]) -> list[FailedRun]:
    """Return the runs that may succeed with unchanged parameters: all but the refused ones."""
    return [run for run in runs if run.state != REFUSED_STATE]


async def retry_run(client: PrefectClient, run: FailedRun) -> None:
    """Set the run to AwaitingRetry, so that a worker starts it again. Raises WrongInput if the server rejects that."""
    answer = await client.set_flow_run_state(UUID(run.id), AwaitingRetry(message="Begun again by a person."))
    if answer.status is not SetStateStatus.ACCEPT:
        reason = getattr(answer.details, "reason", None) or "the Prefect server refuses"
        raise WrongInput(f"The run {run.name} cannot be begun again: {reason}.")
