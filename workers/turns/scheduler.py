"""Apply the scheduling policy to the runs that a poll found."""

import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from workers.options import WarmOptions
from workers.parent.slot import Slot
from workers.turns.policy import ServiceHistory, WaitingRun, assign, model_of, tag_value
from workers.turns.queue_scan import QueueScan

_PRIORITIES_TTL_SECONDS = 15.0


class RunScheduler:
    """Assigns waiting runs to free slots; caches the priorities of the pool's queues.

    `waiting_runs` and `age_seconds` of the oldest are those of the last poll.
    """

    def __init__(self, options: WarmOptions) -> None:
        self.waiting_runs = 0
        self.age_seconds = 0.0
        self._history = ServiceHistory(options.patience_seconds)
        self._options = options
        self._priorities: dict[UUID | None, int] = {}
        self._read_at = float("-inf")
        self._scan = QueueScan(lambda run: (self._share(run), self._model(run)))

    async def schedule(
        self, client: PrefectClient, pool: str, found: Sequence[FlowRun], idle: Mapping[str, Slot]
    ) -> list[tuple[FlowRun, Slot]]:
        """Return the runs to start now, each with its slot. `found` is the page of runs that the server offers."""
        at = time.time()
        self.waiting_runs = len(found)
        self.age_seconds = max((_age_seconds(run, at) for run in found), default=0.0)
        if not (found and idle):
            return []
        runs = {str(run.id): run for run in [*found, *await self._scan.runs_beyond(client, pool, found)]}
        await self._read_priorities(client, pool, {run.work_queue_id for run in runs.values()})
        waiting = [self._waiting_run(run, at) for run in runs.values()]
        models = {name: frozenset(slot.models) for name, slot in idle.items()}
        pairs = assign(waiting, models, self._history, time.monotonic())
        self._scan.discard([runs[run] for run, _ in pairs])
        return [(runs[run], idle[slot]) for run, slot in pairs]

    def _waiting_run(self, run: FlowRun, at: float) -> WaitingRun:
        return WaitingRun(
            id=str(run.id),
            priority=self._priorities.get(run.work_queue_id, 0),
            # Who was served when is kept by a clock that nobody sets.
            since=time.monotonic() - _age_seconds(run, at),
            model=self._model(run),
            share=self._share(run),
        )

    def _model(self, run: FlowRun) -> str | None:
        return model_of(run.tags, run.parameters, self._options.model_tag, self._options.model_parameters)

    def _share(self, run: FlowRun) -> str:
        return tag_value(run.tags, self._options.share_tag) or ""

    async def _read_priorities(self, client: PrefectClient, pool: str, queues: set[UUID | None]) -> None:
        fresh = time.monotonic() - self._read_at < _PRIORITIES_TTL_SECONDS
        # With one queue there is nothing to compare.
        if len(queues) > 1 and not (fresh and queues <= self._priorities.keys()):
            found = await client.read_work_queues(work_pool_name=pool)
            self._priorities = {queue.id: queue.priority or 0 for queue in found}
            self._read_at = time.monotonic()


def _age_seconds(run: FlowRun, at: float) -> float:
    """Return how long a run has been due at a time of day; 0 for one of the future, by a clock that was set back."""
    since = run.next_scheduled_start_time or run.expected_start_time
    return max(0.0, at - since.timestamp()) if since else 0.0
