"""The run watcher: one poll of Prefect, triggered by its events and by a timer, serves everybody who follows a run."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from math import isfinite
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
from gateway.errors import NotFound
from workers.run_events import COMMIT_DELAY_SECONDS, RunEvent, RunEventSubscriber

_POLL_SECONDS = 0.25
"""The poll interval while no events arrive. A poll takes the server 10 to 20 ms."""
_LISTENING_POLL_SECONDS = 1.0
"""The poll interval while events arrive, in case one is lost."""
_DEBOUNCE_SECONDS = 0.03
"""Events that arrive within this time are served by one poll."""
_PROGRESS_SECONDS = 0.5
"""How often progress is read; flows report it no more often."""
_TIMEOUT_SECONDS = 30.0
_BATCH_SIZE = 100
_LOG = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class RunSnapshot:
    """A run as it was read, and its progress from 0 to 1."""

    run: FlowRun
    progress: float

    @property
    def is_final(self) -> bool:
        return self.run.state is not None and self.run.state.is_final()

    def differs_from(self, other: "RunSnapshot | None") -> bool:
        if other is None:
            return True
        return (self.run.state_id, self.progress) != (other.run.state_id, other.progress)


class RunWatcher:
    """Polls the runs that have followers, and wakes each follower after every poll."""

    def __init__(self, client: PrefectClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._followers: Counter[UUID] = Counter()
        self._snapshots: dict[UUID, RunSnapshot] = {}
        self._polled = asyncio.Condition()
        self._has_followers = asyncio.Event()
        self._last_answer = time.monotonic()
        self._events = RunEventSubscriber()
        self._poll_requested = asyncio.Event()
        self._progress: dict[UUID, float] = {}
        self._progress_read = 0.0
        self._gone: set[UUID] = set()
        """The runs that the last poll asked for and did not find: they were deleted."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Poll while the context lasts."""
        with prefect_settings(self._settings):
            tasks = [
                asyncio.create_task(self._poll_forever()),
                asyncio.create_task(self._events.listen(self._on_event)),
            ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def follow(self, run_id: UUID) -> AsyncIterator[RunSnapshot]:
        """Yield the run as it is, then after each change until it is final. Raises NotReachable, NotFound."""
        if not self._followers:
            self._last_answer = time.monotonic()
        self._followers[run_id] += 1
        self._has_followers.set()
        self._poll_requested.set()
        last: RunSnapshot | None = None
        try:
            while last is None or not last.is_final:
                snapshot = await self._next(run_id)
                if snapshot is not None and snapshot.differs_from(last):
                    last = snapshot
                    yield snapshot
        finally:
            self._unfollow(run_id)

    async def _next(self, run_id: UUID) -> RunSnapshot | None:
        async with self._polled:
            await self._polled.wait()
        if time.monotonic() - self._last_answer > _TIMEOUT_SECONDS:
            raise NotReachable("The Prefect server does not answer: ask again later.")
        if run_id in self._gone:
            raise NotFound(f"The job {run_id} was deleted.")
        return self._snapshots.get(run_id)

    def _unfollow(self, run_id: UUID) -> None:
        self._followers[run_id] -= 1
        if not self._followers[run_id]:
            del self._followers[run_id]
            self._snapshots.pop(run_id, None)
        if not self._followers:
            self._has_followers.clear()

    async def _poll_forever(self) -> None:
        while True:
            try:
                await self._poll_until_error()
            except (httpx.HTTPError, OSError) as error:
                _LOG.warning("the Prefect server does not answer: %s", error)
            except Exception:  # of any kind: everybody who follows a run depends on this loop
                _LOG.exception("the watch of runs is begun again")
            async with self._polled:
                self._polled.notify_all()  # so that followers notice how long there was no answer
            await asyncio.sleep(_POLL_SECONDS)

    async def _poll_until_error(self) -> None:
        after_event = False
        while True:
            await self._has_followers.wait()
            await self._poll(list(self._followers))
            self._last_answer = time.monotonic()
            async with self._polled:
                self._polled.notify_all()
            after_event = await self._wait_for_event(after_event)

    async def _wait_for_event(self, after_event: bool) -> bool:
        """Wait until a followed run has an event or the poll interval is over; return whether there was an event.

        The poll after an event is followed by a second one soon: Prefect may announce a state before it can be read.
        """
        interval = _LISTENING_POLL_SECONDS if self._events.connected else _POLL_SECONDS
        try:
            await asyncio.wait_for(self._poll_requested.wait(), COMMIT_DELAY_SECONDS if after_event else interval)
        except TimeoutError:
            return False
        await asyncio.sleep(_DEBOUNCE_SECONDS)
        self._poll_requested.clear()
        return True

    def _on_event(self, event: RunEvent) -> None:
        if UUID(event.run) in self._followers:
            self._poll_requested.set()

    async def _poll(self, run_ids: list[UUID]) -> None:
        if time.monotonic() - self._progress_read >= _PROGRESS_SECONDS:
            self._progress_read = time.monotonic()
            self._progress = {}
            for batch in _batches(run_ids):
                self._progress |= await _read_progress(self._client, batch)
        found: dict[UUID, RunSnapshot] = {}
        for batch in _batches(run_ids):
            found |= await _read_runs(self._client, batch, self._progress)
        self._snapshots |= found
        self._gone = set(run_ids) - found.keys()


async def read_snapshots(client: PrefectClient, run_ids: list[UUID]) -> dict[UUID, RunSnapshot]:
    """Read the runs that exist among these, with their progress. Prefect refuses to read more than 200 at once."""
    found: dict[UUID, RunSnapshot] = {}
    for batch in _batches(run_ids):
        found |= await _read_runs(client, batch, await _read_progress(client, batch))
    return found


async def add_progress(client: PrefectClient, runs: Sequence[FlowRun]) -> list[RunSnapshot]:
    """Return runs that were just read, in order, with their progress."""
    progress: dict[UUID, float] = {}
    for batch in _batches([run.id for run in runs]):
        progress |= await _read_progress(client, batch)
    return [RunSnapshot(run, progress.get(run.id, 0.0)) for run in runs]


async def _read_runs(
    client: PrefectClient, run_ids: list[UUID], progress: Mapping[UUID, float]
) -> dict[UUID, RunSnapshot]:
    runs = await client.read_flow_runs(flow_run_filter=_id_filter(run_ids), limit=len(run_ids))
    return {run.id: RunSnapshot(run, progress.get(run.id, 0.0)) for run in runs}


async def _read_progress(client: PrefectClient, run_ids: list[UUID]) -> dict[UUID, float]:
    """Return the progress of each run, from 0 to 1; runs that reported none are left out."""
    reported = await client.read_artifacts(
        artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=["progress"])), flow_run_filter=_id_filter(run_ids)
    )
    progress: dict[UUID, float] = {}
    for artifact in reported:
        if artifact.flow_run_id:
            share = _share(artifact.data)
            progress[artifact.flow_run_id] = max(progress.get(artifact.flow_run_id, 0.0), share)
    return progress


def _share(data: object) -> float:
    """Return the progress from 0 to 1; 0 for what is no number."""
    with suppress(ValueError):
        percent = float(str(data or 0))
        return min(max(percent, 0.0), 100.0) / 100 if isfinite(percent) else 0.0
    return 0.0


def _id_filter(run_ids: list[UUID]) -> FlowRunFilter:
    return FlowRunFilter(id=FlowRunFilterId(any_=run_ids))


def _batches(run_ids: list[UUID]) -> list[list[UUID]]:
    return [run_ids[start : start + _BATCH_SIZE] for start in range(0, len(run_ids), _BATCH_SIZE)]
