"""The job queue: how many jobs wait, how long each will wait, and when new ones are refused (backpressure)."""

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

_QUEUE_TTL_SECONDS, _DURATIONS_TTL_SECONDS = 1.0, 30.0
_MAX_TIME_FRACTION = 0.1
"""Reading a long queue takes many requests: at most this fraction of the time is spent on it."""
_PAGE_SIZE, _MAX_PAGES = 200, 50
"""Prefect answers at most 200 runs at once. Longer queues are read page by page, up to 10,000 runs."""
_DEFAULT_DURATION_SECONDS = 5.0
_RECENT = timedelta(days=1)
_POOL = WorkPoolFilter(name=WorkPoolFilterName(any_=["cpu"]))
_UNFINISHED = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING)


@dataclass
class _MeanDurations:
    """The mean duration of recent runs of each deployment, in seconds."""

    by_deployment: dict[UUID | None, float] = field(default_factory=dict)
    read: float = -_DURATIONS_TTL_SECONDS

    def of(self, run: FlowRun) -> float:
        return self.by_deployment.get(run.deployment_id, _DEFAULT_DURATION_SECONDS)


class JobQueue:
    """The queued and running jobs of the pool `cpu`, read from Prefect at most once a second; a long queue less often.

    Of more than 10,000 only the first are counted.
    """

    def __init__(self, client: PrefectClient) -> None:
        self._client = client
        self._queued: list[FlowRun] = []
        self._running: list[FlowRun] = []
        self._durations = _MeanDurations()
        self._next_read = 0.0
        self._admitted = 0
        self._refreshing = asyncio.Lock()

    async def admit(self, max_wait_seconds: float) -> None:
        """Count one more job. Raises TooBusy if it would wait longer than `max_wait_seconds`."""
        await self.check(max_wait_seconds)
        self._admitted += 1

    async def check(self, max_wait_seconds: float) -> None:
        """Raise TooBusy if one more job would wait longer than `max_wait_seconds`."""
        await self._refresh()
        # Scheduled runs may pile up overnight while no worker runs; that backlog is no reason to refuse people.
        wait = self._wait_seconds(
            [run for run in self._queued if not run.auto_scheduled]
        ) + self._admitted * _DEFAULT_DURATION_SECONDS / max(len(self._running), 1)
        if wait > max_wait_seconds:
            raise TooBusy(f"The queue is {wait:.0f} s long: ask again later.", wait - max_wait_seconds)

    async def position(self, run: FlowRun) -> tuple[int | None, float]:
        """Return the run's position (1 starts next; None once it runs) and the estimated seconds until it ends."""
        await self._refresh()
        duration = self._durations.of(run)
        ids = [queued.id for queued in self._queued]
        if run.id in ids:
            index = ids.index(run.id)
            return index + 1, round(self._wait_seconds(self._queued[:index]) + duration, 1)
        if run.start_time is None:
            return len(ids) + 1, round(self._wait_seconds(self._queued) + duration, 1)
        return None, round(max(duration - (datetime.now(UTC) - run.start_time).total_seconds(), 0.0), 1)

    def _wait_seconds(self, ahead: list[FlowRun]) -> float:
        """Estimate how long the runs ahead take, at today's concurrency, with the running ones half done."""
        remaining = sum(map(self._durations.of, self._running)) / 2
        return (sum(map(self._durations.of, ahead)) + (remaining if ahead else 0.0)) / max(len(self._running), 1)

    async def _refresh(self) -> None:
        async with self._refreshing:
            if (started := time.monotonic()) < self._next_read:
                return
            now = datetime.now(UTC)
            found = await self._read_unfinished(now)
            self._running = [run for run in found if run.state_type == StateType.RUNNING]
            self._queued = [run for run in found if run.state_type != StateType.RUNNING]
            self._admitted = 0
            ended = time.monotonic()
            self._next_read = ended + max(_QUEUE_TTL_SECONDS, (ended - started) / _MAX_TIME_FRACTION)
            if ended - self._durations.read > _DURATIONS_TTL_SECONDS:
                self._durations = await self._read_durations(now)

    async def _read_unfinished(self, now: datetime) -> list[FlowRun]:
        """Read the unfinished runs that are due, in the order in which they start."""
        wanted = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_UNFINISHED))),
            expected_start_time=FlowRunFilterExpectedStartTime(before_=now),  # pyright: ignore[reportArgumentType]
        )
        found: dict[UUID, FlowRun] = {}  # a run that starts meanwhile moves the others, which are then read twice
        for number in range(_MAX_PAGES):
            page = await self._client.read_flow_runs(
                flow_run_filter=wanted,
                work_pool_filter=_POOL,
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
                limit=_PAGE_SIZE,
                offset=number * _PAGE_SIZE,
            )
            found |= {run.id: run for run in page}
            if len(page) < _PAGE_SIZE:
                break
        return list(found.values())

    async def _read_durations(self, now: datetime) -> _MeanDurations:
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
        return _MeanDurations({which: sum(all_) / len(all_) for which, all_ in seconds.items()}, time.monotonic())
