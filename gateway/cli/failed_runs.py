"""Runs that ended without success, with the reason; and another chance for them."""

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
    """A run without success: Crashed (its processes died), Failed, or Refused (for what it asked)."""

    id: str
    name: str
    flow: str
    state: str
    reason: str
    attempts: int
    ended: datetime | None


async def failed_runs(client: PrefectClient) -> list[FailedRun]:
    """Every run that ended without success and was not begun again since, the latest first."""
    ended = FlowRunFilterStateType(any_=[StateType.FAILED, StateType.CRASHED])
    wanted = FlowRunFilter(state=FlowRunFilterState(type=ended))
    runs: list[FlowRun] = []
    while page := await client.read_flow_runs(
        flow_run_filter=wanted, sort=FlowRunSort.START_TIME_DESC, limit=_PAGE, offset=len(runs)
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


def chosen(runs: Sequence[FailedRun], identity: str) -> FailedRun:
    """The failed run whose id begins so. Raises WrongInput."""
    found = [run for run in runs if identity and run.id.startswith(identity.lower())]
    if len(found) != 1:
        how_many = f"{len(found)} ids of failed runs begin" if found else "No id of a failed run begins"
        raise WrongInput(f"{how_many} with {identity!r}: see `triptych failed`.")
    return found[0]


def worth_another_attempt(runs: Sequence[FailedRun]) -> list[FailedRun]:
    """Those that can succeed without a change of what they ask."""
    return [run for run in runs if run.state != REFUSED_STATE]


async def begin_again(client: PrefectClient, run: FailedRun) -> None:
    """Let the run wait for its worker, with all its attempts before it. Raises WrongInput."""
    answer = await client.set_flow_run_state(UUID(run.id), AwaitingRetry(message="Begun again by a person."))
    if answer.status is not SetStateStatus.ACCEPT:
        reason = getattr(answer.details, "reason", None) or "the Prefect server refuses"
        raise WrongInput(f"The run {run.name} cannot be begun again: {reason}.")
