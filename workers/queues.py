"""The runs that a poll found, with what their order depends on."""

import time
from collections.abc import Mapping, Sequence
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

from workers.options import WarmOptions
from workers.order import Turns, Waiting, assign, model_of, tagged
from workers.slot import Slot

_PRIORITIES_SECONDS = 15.0
_PAGE = 200
"""The server's own bound on what one poll answers."""


class Queues:
    """Remembers the queues' priorities for some seconds, and whose turn it is."""

    def __init__(self, turns: Turns, options: WarmOptions) -> None:
        self.waiting_runs = 0
        self.age_seconds = 0.0
        self._turns = turns
        self._options = options
        self._priorities: dict[UUID | None, int] = {}
        self._read_at = float("-inf")

    async def pair(
        self, client: PrefectClient, pool: str, found: Sequence[FlowRun], idle: Mapping[str, Slot]
    ) -> list[tuple[FlowRun, Slot]]:
        """The runs to start now, each with its slot. `found` is what the server offers, in its order."""
        at = time.time()
        self.waiting_runs = len(found)
        self.age_seconds = max((at - self._waiting(run, at).since for run in found), default=0.0)
        if not (found and idle):
            return []
        runs = {str(run.id): run for run in [*found, *await self._newest(client, pool, found)]}
        await self._read_priorities(client, pool, {run.work_queue_id for run in runs.values()})
        waiting = [self._waiting(run, at) for run in runs.values()]
        pairs = assign(waiting, {name: frozenset(slot.models) for name, slot in idle.items()}, self._turns, at)
        return [(runs[run], idle[slot]) for run, slot in pairs]

    async def _newest(self, client: PrefectClient, pool: str, found: Sequence[FlowRun]) -> list[FlowRun]:
        """The other end of a queue that is longer than one answer: behind a long batch somebody else may wait."""
        if len(found) < _PAGE:
            return []
        wanted = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            next_scheduled_start_time=FlowRunFilterNextScheduledStartTime(before_=DateTime.now("UTC")),
        )
        newest = await client.read_flow_runs(
            flow_run_filter=wanted,
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=_PAGE,
        )
        # Only of queues that the server offered runs of: the others are paused or full.
        open_queues = {run.work_queue_id for run in found}
        return [run for run in newest if run.work_queue_id in open_queues]

    def _waiting(self, run: FlowRun, at: float) -> Waiting:
        since = run.next_scheduled_start_time or run.expected_start_time
        options = self._options
        return Waiting(
            id=str(run.id),
            priority=self._priorities.get(run.work_queue_id, 0),
            since=since.timestamp() if since else at,
            model=model_of(run.tags, run.parameters, options.model_tag, options.model_parameters),
            share=tagged(run.tags, options.share_tag) or "",
        )

    async def _read_priorities(self, client: PrefectClient, pool: str, queues: set[UUID | None]) -> None:
        fresh = time.monotonic() - self._read_at < _PRIORITIES_SECONDS
        # One queue: there is nothing to compare, so nothing to ask.
        if len(queues) > 1 and not (fresh and queues <= self._priorities.keys()):
            found = await client.read_work_queues(work_pool_name=pool)
            self._priorities = {queue.id: queue.priority or 0 for queue in found}
            self._read_at = time.monotonic()
