"""Watching jobs: one question to Prefect, a few times a second, for everybody who follows a run."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
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

from gateway.errors import NotReachable

_POLL_SECONDS = 0.25
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

    def __init__(self, client: PrefectClient) -> None:
        self._client = client
        self._followers: Counter[UUID] = Counter()
        self._seen: dict[UUID, Sight] = {}
        self._looked = asyncio.Condition()
        self._wanted = asyncio.Event()
        self._answered = time.monotonic()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Looks while the context lasts."""
        task = asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            task.cancel()

    async def follow(self, run_id: UUID) -> AsyncIterator[Sight]:
        """The run as it is, and whenever it has changed, until it ended. Raises NotReachable."""
        if not self._followers:
            self._answered = time.monotonic()
        self._followers[run_id] += 1
        self._wanted.set()
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
        while True:
            await self._wanted.wait()
            wanted = list(self._followers)
            try:
                for start in range(0, len(wanted), _AT_ONCE):
                    self._seen.update(await look(self._client, wanted[start : start + _AT_ONCE]))
                self._answered = time.monotonic()
            except (httpx.HTTPError, OSError) as error:
                _LOG.warning("the Prefect server does not answer: %s", error)
            async with self._looked:
                self._looked.notify_all()
            await asyncio.sleep(_POLL_SECONDS)


async def look(client: PrefectClient, run_ids: list[UUID]) -> dict[UUID, Sight]:
    """The runs and their progress."""
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=run_ids))
    runs = await client.read_flow_runs(flow_run_filter=wanted, limit=len(run_ids))
    told = await client.read_artifacts(
        artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=["progress"])), flow_run_filter=wanted
    )
    progress: dict[UUID, float] = {}
    for artifact in told:
        if artifact.flow_run_id:
            share = float(str(artifact.data or 0)) / 100
            progress[artifact.flow_run_id] = max(progress.get(artifact.flow_run_id, 0.0), share)
    return {run.id: Sight(run, min(progress.get(run.id, 0.0), 1.0)) for run in runs}
