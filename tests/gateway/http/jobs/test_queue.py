"""The queue counts all jobs, also where Prefect answers one page at a time; a list of jobs reads each run once."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from flows.running.platform import Platform
from flows.running.settings import Settings
from gateway.errors import TooBusy
from gateway.http.jobs.jobs import Jobs
from gateway.http.jobs.queue import JobQueue

_SERVER_LIMIT = 200


class Prefect:
    """The questions about runs that the gateway asks Prefect, which answers at most 200 runs at once."""

    def __init__(self, runs: list[FlowRun]) -> None:
        self.runs = runs
        self.read: Counter[UUID] = Counter()

    async def read_flow_runs(
        self, *, flow_run_filter: Any, limit: int | None = None, offset: int = 0, **_: Any
    ) -> list[FlowRun]:
        wanted = flow_run_filter.id.any_ if flow_run_filter.id else None
        state = flow_run_filter.state.type.any_ if flow_run_filter.state else [*StateType]
        found = [run for run in self.runs if (wanted is None or run.id in wanted) and run.state_type in state]
        page = found[offset : offset + min(limit or _SERVER_LIMIT, _SERVER_LIMIT)]
        self.read.update(run.id for run in page)
        return page

    async def read_artifacts(self, **_: Any) -> list[Any]:
        return [type("Progress", (), {"flow_run_id": run.id, "data": "50"}) for run in self.runs]

    async def read_deployments(self) -> list[Any]:
        return []


def run_in(state: StateType) -> FlowRun:
    return FlowRun(id=uuid4(), flow_id=uuid4(), state=State(type=state), state_type=state, state_id=uuid4())


async def test_a_job_behind_hundreds_of_others_has_its_own_position() -> None:
    prefect = Prefect([run_in(StateType.SCHEDULED) for _ in range(450)])
    queue = JobQueue(prefect)  # type: ignore[arg-type]
    for number in (0, 199, 200, 449):
        assert (await queue.position(prefect.runs[number]))[0] == number + 1
    assert len(prefect.read) == 450
    with pytest.raises(TooBusy, match="2250 s"):  # five seconds for each
        await queue.check(2000)


async def test_listing_jobs_reads_each_run_once(settings: Settings) -> None:
    prefect = Prefect([run_in(StateType.COMPLETED) for _ in range(3)] + [run_in(StateType.FAILED)])
    platform = Platform(settings.model_copy(update={"prefect_api_url": "http://127.0.0.1:1/api"}))
    jobs = Jobs(platform, prefect, lambda _: None)  # type: ignore[arg-type]
    listed = await jobs.list_newest("default")
    assert [job.id for job in listed] == [run.id for run in prefect.runs]
    assert [job.progress for job in listed] == [1, 1, 1, 0.5]
    assert {*prefect.read.values()} == {1}
