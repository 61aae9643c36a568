"""Watching jobs: one question to Prefect, when it tells of a run and now and then, for everybody who follows one."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import FlowRun

from flows.running.errors import NotReachable
from flows.running.prefect_api import prefect_settings
from flows.running.settings import Settings
from workers.run_events import COMMIT_DELAY_SECONDS, FALLBACK_POLL_SECONDS, RunEvent, RunEventSubscriber

_POLL_SECONDS = 0.25
"""Between two looks, while the server tells no news. Every question takes it 10 to 20 ms."""
_GATHER_SECONDS = 0.03
"""News that come together are looked at together."""
_PROGRESS_SECONDS = 0.5
"""Flows tell their progress no more often."""
_PATIENCE_SECONDS = 30.0
_AT_ONCE = 200
_LOG = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class Sight:
    """A run as it was seen, and how far it was, from 0 to 1."""

    run: FlowRun
    progress: float

    @property
    def is_final(self) -> bool:
        return self.run.state is not None and self.run.state.is_final()

    def differs_from(self, other: "Sight | None") -> bool:
        if other is None:
            return True
        return (self.run.state_id, self.progress) != (other.run.state_id, other.progress)


class Watch:
    """Follows runs for as long as anybody wants to know."""

    def __init__(self, client: PrefectClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._followers: Counter[UUID] = Counter()
        self._seen: dict[UUID, Sight] = {}
        self._looked = asyncio.Condition()
        self._wanted = asyncio.Event()
        self._answered = time.monotonic()
        self._events = RunEventSubscriber()
        self._told = asyncio.Event()
        self._progress: dict[UUID, float] = {}
        self._progress_read = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Looks while the context lasts."""
        with prefect_settings(self._settings):
            tasks = [asyncio.create_task(self._look_on()), asyncio.create_task(self._events.listen(self._heard))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def follow(self, run_id: UUID) -> AsyncIterator[Sight]:
        """The run as it is, and whenever it has changed, until it ended. Raises NotReachable."""
        if not self._followers:
            self._answered = time.monotonic()
        self._followers[run_id] += 1
        self._wanted.set()
        self._told.set()
        last: Sight | None = None
        try:
            while last is None or not last.is_final:
                sight = await self._next(run_id)
                if sight is not None and sight.differs_from(last):
                    last = sight
                    yield sight
        finally:
            self._leave(run_id)

    async def _next(self, run_id: UUID) -> Sight | None:
        async with self._looked:
            await self._looked.wait()
        if time.monotonic() - self._answered > _PATIENCE_SECONDS:
            raise NotReachable("The Prefect server does not answer: ask again later.")
        return self._seen.get(run_id)

    def _leave(self, run_id: UUID) -> None:
        self._followers[run_id] -= 1
        if not self._followers[run_id]:
            del self._followers[run_id]
            self._seen.pop(run_id, None)
        if not self._followers:
            self._wanted.clear()

    async def _look_on(self) -> None:
        was_told = False
        while True:
            await self._wanted.wait()
            try:
                await self._look_once(list(self._followers))
                self._answered = time.monotonic()
            except (httpx.HTTPError, OSError) as error:
                _LOG.warning("the Prefect server does not answer: %s", error)
            async with self._looked:
                self._looked.notify_all()
            was_told = await self._pause(was_told)

    async def _pause(self, was_told: bool) -> bool:
        """Until a followed run has news, or for as long as one can do without; whether there was any."""
        seconds = FALLBACK_POLL_SECONDS if self._events.connected else _POLL_SECONDS
        try:
            await asyncio.wait_for(self._told.wait(), COMMIT_DELAY_SECONDS if was_told else seconds)
        except TimeoutError:
            return False
        await asyncio.sleep(_GATHER_SECONDS)
        self._told.clear()
        return True

    def _heard(self, event: RunEvent) -> None:
        if UUID(event.run) in self._followers:
            self._told.set()

    async def _look_once(self, wanted: list[UUID]) -> None:
        if time.monotonic() - self._progress_read >= _PROGRESS_SECONDS:
            self._progress_read = time.monotonic()
            self._progress = {}
            for some in _portions(wanted):
                self._progress |= await _read_progress(self._client, some)
        for some in _portions(wanted):
            self._seen |= await _sights(self._client, some, self._progress)


async def look(client: PrefectClient, run_ids: list[UUID]) -> dict[UUID, Sight]:
    """The runs and their progress."""
    return await _sights(client, run_ids, await _read_progress(client, run_ids))


async def _sights(client: PrefectClient, run_ids: list[UUID], progress: Mapping[UUID, float]) -> dict[UUID, Sight]:
    runs = await client.read_flow_runs(flow_run_filter=_these(run_ids), limit=len(run_ids))
    return {run.id: Sight(run, progress.get(run.id, 0.0)) for run in runs}


async def _read_progress(client: PrefectClient, run_ids: list[UUID]) -> dict[UUID, float]:
    """How far the runs are, from 0 to 1; those that told nothing are left out."""
    told = await client.read_artifacts(
        artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=["progress"])), flow_run_filter=_these(run_ids)
    )
    progress: dict[UUID, float] = {}
    for artifact in told:
        if artifact.flow_run_id:
            share = min(float(str(artifact.data or 0)) / 100, 1.0)
            progress[artifact.flow_run_id] = max(progress.get(artifact.flow_run_id, 0.0), share)
    return progress


def _these(run_ids: list[UUID]) -> FlowRunFilter:
    return FlowRunFilter(id=FlowRunFilterId(any_=run_ids))


def _portions(run_ids: list[UUID]) -> list[list[UUID]]:
    return [run_ids[start : start + _AT_ONCE] for start in range(0, len(run_ids), _AT_ONCE)]
