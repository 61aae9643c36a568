"""Find waiting runs beyond the first page of the server, so that a long batch does not hide other people's runs."""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort

PAGE_SIZE = 200
"""The server's own limit."""
_MAX_PAGES = 100
_RUNS_PER_GROUP = 3
_MAX_TIME_FRACTION = 0.1
_MIN_INTERVAL_SECONDS = 5.0


class QueueScan:
    """Keeps the first waiting runs of every group, a group being for instance a share and a model.

    Queues that are longer than a page are read completely now and then, with a bound on the time that this takes.
    """

    def __init__(self, group_of: Callable[[FlowRun], Hashable], page_size: int = PAGE_SIZE) -> None:
        self._group_of = group_of
        self._page_size = page_size
        self._first_runs: dict[UUID, FlowRun] = {}
        self._next_scan = float("-inf")

    async def runs_beyond(self, client: PrefectClient, pool: str, found: Sequence[FlowRun]) -> list[FlowRun]:
        """Return waiting runs that are not in `found`, the first page of the server; none if that page is not full."""
        if len(found) < self._page_size:
            self._first_runs = {}
            return []
        newest = await self._read(client, pool, FlowRunSort.EXPECTED_START_TIME_DESC, 0)
        if (started := time.monotonic()) >= self._next_scan:
            await self._scan(client, pool)
            # A scan reads the whole queue: bound the fraction of time that scans take.
            took = time.monotonic() - started
            self._next_scan = started + max(_MIN_INTERVAL_SECONDS, took / _MAX_TIME_FRACTION)
        # Queues of which the server offered no run are paused or at their concurrency limit.
        open_queues = {run.work_queue_id for run in found}
        known = {run.id for run in found}
        others = {run.id: run for run in (*newest, *self._first_runs.values()) if run.id not in known}
        return [run for run in others.values() if run.work_queue_id in open_queues]

    def discard(self, runs: Sequence[FlowRun]) -> None:
        """Remove runs that were started."""
        for run in runs:
            self._first_runs.pop(run.id, None)

    async def _scan(self, client: PrefectClient, pool: str) -> None:
        self._first_runs, counted = {}, Counter[Hashable]()
        for number in range(_MAX_PAGES):
            page = await self._read(client, pool, FlowRunSort.EXPECTED_START_TIME_ASC, number * self._page_size)
            for run in page:
                group = run.work_queue_id, self._group_of(run)
                counted[group] += 1
                if counted[group] <= _RUNS_PER_GROUP:
                    self._first_runs[run.id] = run
            if len(page) < self._page_size:
                return

    async def _read(self, client: PrefectClient, pool: str, sort: FlowRunSort, offset: int) -> list[FlowRun]:
        due = FlowRunFilterNextScheduledStartTime.model_validate({"before_": datetime.now(UTC)})
        wanted = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            next_scheduled_start_time=due,
        )
        return await client.read_flow_runs(
            flow_run_filter=wanted,
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
            sort=sort,
            limit=self._page_size,
            offset=offset,
        )
