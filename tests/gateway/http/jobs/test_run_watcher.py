"""The watch of runs goes on after any error, and ends for runs that were deleted."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from flows.running.settings import Settings
from gateway.errors import NotFound
from gateway.http.jobs.run_watcher import RunWatcher, read_snapshots


class Prefect:
    """The two questions that the watch asks Prefect; each fails as often as it is told to."""

    def __init__(self, runs: list[FlowRun]) -> None:
        self.runs = {run.id: run for run in runs}
        self.failures: list[Exception] = []
        self.asked: list[int] = []

    async def read_flow_runs(self, *, flow_run_filter: Any, limit: int) -> list[FlowRun]:
        if self.failures:
            raise self.failures.pop()
        self.asked.append(limit)
        return [self.runs[each] for each in flow_run_filter.id.any_ if each in self.runs]

    async def read_artifacts(self, **_: Any) -> list[Any]:
        return [type("Progress", (), {"flow_run_id": each, "data": "not a number"}) for each in self.runs]


def run_in(state: StateType) -> FlowRun:
    return FlowRun(id=uuid4(), flow_id=uuid4(), state=State(type=state), state_id=uuid4())


@pytest.fixture
def no_server(settings: Settings) -> Settings:
    return settings.model_copy(update={"prefect_api_url": "http://127.0.0.1:1/api"})


async def test_a_follower_survives_every_error_and_learns_the_end(no_server: Settings) -> None:
    run = run_in(StateType.RUNNING)
    prefect = Prefect([run])
    prefect.failures = [ValueError("what nobody expected"), KeyError("another"), OSError("away")]
    watcher = RunWatcher(prefect, no_server)  # type: ignore[arg-type]
    async with watcher.running():
        seen = watcher.follow(run.id)
        assert not (await asyncio.wait_for(anext(seen), 30)).is_final
        prefect.failures = [RuntimeError("again")]
        prefect.runs[run.id] = run.model_copy(update={"state": State(type=StateType.COMPLETED), "state_id": uuid4()})
        assert (await asyncio.wait_for(anext(seen), 30)).is_final


async def test_a_deleted_run_is_not_followed_for_ever(no_server: Settings) -> None:
    run = run_in(StateType.RUNNING)
    prefect = Prefect([run])
    watcher = RunWatcher(prefect, no_server)  # type: ignore[arg-type]
    async with watcher.running():
        seen = watcher.follow(run.id)
        await asyncio.wait_for(anext(seen), 30)
        prefect.runs.clear()
        with pytest.raises(NotFound, match="was deleted"):
            await asyncio.wait_for(anext(seen), 30)


async def test_more_runs_than_prefect_answers_at_once_are_read_in_portions() -> None:
    prefect = Prefect([run_in(StateType.RUNNING) for _ in range(450)])
    found: dict[UUID, Any] = await read_snapshots(prefect, list(prefect.runs))  # type: ignore[arg-type]
    assert len(found) == 450
    assert max(prefect.asked) <= 200
