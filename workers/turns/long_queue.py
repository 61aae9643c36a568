"""Who else waits in queues that are longer than one answer of the server: behind a long batch somebody may wait."""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
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
from prefect.types import DateTime

PAGE = 200
"""The server's own bound on one answer."""
_MOST_PAGES = 100
_OF_EACH_GROUP = 3
_SHARE_OF_TIME = 0.1
_SHORTEST_PAUSE_SECONDS = 5.0


class LongQueue:
    """The first runs of every group (a share, a model, …) that waits, also where one answer does not reach."""

    def __init__(self, group_of: Callable[[FlowRun], Hashable], page: int = PAGE) -> None:
        self._group_of = group_of
        self._page = page
        self._firsts: dict[UUID, FlowRun] = {}
        self._walk_at = float("-inf")

    async def others(self, client: PrefectClient, pool: str, found: Sequence[FlowRun]) -> list[FlowRun]:
        """Runs beside `found`, which is what the server offered; none when that was everything."""
        if len(found) < self._page:
            self._firsts = {}
            return []
        newest = await self._read(client, pool, FlowRunSort.EXPECTED_START_TIME_DESC, 0)
        if (started := time.monotonic()) >= self._walk_at:
            await self._walk(client, pool)
            # It reads the whole queue, so it may not take all of the time.
            took = time.monotonic() - started
            self._walk_at = started + max(_SHORTEST_PAUSE_SECONDS, took / _SHARE_OF_TIME)
        # Only of queues that the server offered runs of: the others are paused or full.
        open_queues = {run.work_queue_id for run in found}
        known = {run.id for run in found}
        others = {run.id: run for run in (*newest, *self._firsts.values()) if run.id not in known}
        return [run for run in others.values() if run.work_queue_id in open_queues]

    def forget(self, runs: Sequence[FlowRun]) -> None:
        """These were started, or somebody else was faster."""
        for run in runs:
            self._firsts.pop(run.id, None)

    async def _walk(self, client: PrefectClient, pool: str) -> None:
        self._firsts, counted = {}, Counter[Hashable]()
        for number in range(_MOST_PAGES):
            page = await self._read(client, pool, FlowRunSort.EXPECTED_START_TIME_ASC, number * self._page)
            for run in page:
                group = run.work_queue_id, self._group_of(run)
                counted[group] += 1
                if counted[group] <= _OF_EACH_GROUP:
                    self._firsts[run.id] = run
            if len(page) < self._page:
                return

    async def _read(self, client: PrefectClient, pool: str, sort: FlowRunSort, offset: int) -> list[FlowRun]:
        wanted = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(before_=DateTime.now("UTC")),
        )
        return await client.read_flow_runs(
            flow_run_filter=wanted,
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
            sort=sort,
            limit=self._page,
            offset=offset,
        )
