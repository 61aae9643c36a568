"""The line: who waits for the pool of people's jobs, how long a job usually takes, and so how long one waits."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

from gateway.errors import TooBusy

_FRESH_SECONDS, _USUAL_FRESH_SECONDS = 1.0, 30.0
_FIRST_GUESS_SECONDS = 5.0
_RECENT = timedelta(days=1)
_POOL = WorkPoolFilter(name=WorkPoolFilterName(any_=["cpu"]))
_HERE = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING)


@dataclass
class _Usual:
    """How long runs of each deployment took lately, in seconds."""

    by_deployment: dict[UUID | None, float] = field(default_factory=dict)
    read: float = -_USUAL_FRESH_SECONDS

    def of(self, run: FlowRun) -> float:
        return self.by_deployment.get(run.deployment_id, _FIRST_GUESS_SECONDS)


class Line:
    """The jobs that wait and run, read at most once a second."""

    def __init__(self, client: PrefectClient) -> None:
        self._client = client
        self._waiting: list[FlowRun] = []
        self._running: list[FlowRun] = []
        self._usual = _Usual()
        self._read = 0.0
        self._joined = 0
        self._reading = asyncio.Lock()

    async def admit(self, most_seconds: float) -> None:
        """Count one more job. Raises TooBusy when it would wait longer."""
        await self._refresh()
        # What a schedule ordered may be much after a night in which nothing ran, and is no reason to refuse people.
        wait = self._ahead(
            [run for run in self._waiting if not run.auto_scheduled]
        ) + self._joined * _FIRST_GUESS_SECONDS / max(len(self._running), 1)
        if wait > most_seconds:
            raise TooBusy(f"The queue is {wait:.0f} s long: ask again later.", wait - most_seconds)
        self._joined += 1

    async def place(self, run: FlowRun) -> tuple[int | None, float]:
        """The position of a run that waits, and the seconds until a run is probably done."""
        await self._refresh()
        usual = self._usual.of(run)
        ids = [waiting.id for waiting in self._waiting]
        if run.id in ids:
            number = ids.index(run.id)
            return number + 1, round(self._ahead(self._waiting[:number]) + usual, 1)
        if run.start_time is None:
            return len(ids) + 1, round(self._ahead(self._waiting) + usual, 1)
        return None, round(max(usual - (datetime.now(UTC) - run.start_time).total_seconds(), 0.0), 1)

    def _ahead(self, runs: list[FlowRun]) -> float:
        """As many runs as now go on at once; those that run are taken to be half done."""
        busy = sum(map(self._usual.of, self._running)) / 2
        return (sum(map(self._usual.of, runs)) + (busy if runs else 0.0)) / max(len(self._running), 1)

    async def _refresh(self) -> None:
        async with self._reading:
            if time.monotonic() - self._read < _FRESH_SECONDS:
                return
            now = datetime.now(UTC)
            found = await self._client.read_flow_runs(
                flow_run_filter=FlowRunFilter(
                    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_HERE))),
                    expected_start_time=FlowRunFilterExpectedStartTime(before_=now),  # pyright: ignore[reportArgumentType]
                ),
                work_pool_filter=_POOL,
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            )
            self._running = [run for run in found if run.state_type == StateType.RUNNING]
            self._waiting = [run for run in found if run.state_type != StateType.RUNNING]
            self._joined = 0
            self._read = time.monotonic()
            if self._read - self._usual.read > _USUAL_FRESH_SECONDS:
                self._usual = await self._measure(now)

    async def _measure(self, now: datetime) -> _Usual:
        ended = await self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED])),
                end_time=FlowRunFilterEndTime(after_=now - _RECENT),  # pyright: ignore[reportArgumentType]
            ),
            work_pool_filter=_POOL,
            sort=FlowRunSort.END_TIME_DESC,
            limit=100,
        )
        seconds: defaultdict[UUID | None, list[float]] = defaultdict(list)
        for run in ended:
            seconds[run.deployment_id].append(run.total_run_time.total_seconds())
        return _Usual({which: sum(all_) / len(all_) for which, all_ in seconds.items()}, time.monotonic())
