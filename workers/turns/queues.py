"""The runs that a poll found, with what their order depends on."""

import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from workers.options import WarmOptions
from workers.parent.slot import Slot
from workers.turns.long_queue import LongQueue
from workers.turns.order import Turns, Waiting, assign, model_of, tagged

_PRIORITIES_SECONDS = 15.0


class Queues:
    """Remembers the queues' priorities for some seconds, and whose turn it is."""

    def __init__(self, turns: Turns, options: WarmOptions) -> None:
        self.waiting_runs = 0
        self.age_seconds = 0.0
        self._turns = turns
        self._options = options
        self._priorities: dict[UUID | None, int] = {}
        self._read_at = float("-inf")
        self._long = LongQueue(lambda run: (self._share(run), self._model(run)))

    async def pair(
        self, client: PrefectClient, pool: str, found: Sequence[FlowRun], idle: Mapping[str, Slot]
    ) -> list[tuple[FlowRun, Slot]]:
        """The runs to start now, each with its slot. `found` is what the server offers, in its order."""
        at = time.time()
        self.waiting_runs = len(found)
        self.age_seconds = max((at - self._waiting(run, at).since for run in found), default=0.0)
        if not (found and idle):
            return []
        runs = {str(run.id): run for run in [*found, *await self._long.others(client, pool, found)]}
        await self._read_priorities(client, pool, {run.work_queue_id for run in runs.values()})
        waiting = [self._waiting(run, at) for run in runs.values()]
        pairs = assign(waiting, {name: frozenset(slot.models) for name, slot in idle.items()}, self._turns, at)
        self._long.forget([runs[run] for run, _ in pairs])
        return [(runs[run], idle[slot]) for run, slot in pairs]

    def _waiting(self, run: FlowRun, at: float) -> Waiting:
        since = run.next_scheduled_start_time or run.expected_start_time
        return Waiting(
            id=str(run.id),
            priority=self._priorities.get(run.work_queue_id, 0),
            since=since.timestamp() if since else at,
            model=self._model(run),
            share=self._share(run),
        )

    def _model(self, run: FlowRun) -> str | None:
        return model_of(run.tags, run.parameters, self._options.model_tag, self._options.model_parameters)

    def _share(self, run: FlowRun) -> str:
        return tagged(run.tags, self._options.share_tag) or ""

    async def _read_priorities(self, client: PrefectClient, pool: str, queues: set[UUID | None]) -> None:
        fresh = time.monotonic() - self._read_at < _PRIORITIES_SECONDS
        # One queue: there is nothing to compare, so nothing to ask.
        if len(queues) > 1 and not (fresh and queues <= self._priorities.keys()):
            found = await client.read_work_queues(work_pool_name=pool)
            self._priorities = {queue.id: queue.priority or 0 for queue in found}
            self._read_at = time.monotonic()
