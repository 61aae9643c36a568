"""News of flow runs, as the Prefect server tells them: who listens need not ask all the time.

News can be lost, as when the server restarts: they say when to look, and whoever listens still looks now and then.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.events.schemas.events import Event
from prefect.logging import get_logger
from prefect.settings import PREFECT_API_URL

LOOK_SECONDS = 1.0
"""How often those look who listen: news can be lost."""
COMMIT_SECONDS = 0.1
"""The server tells of a state a moment before it can be read: who finds nothing looks again after this."""
_AGAIN_SECONDS = 2.0
_RUN = "prefect.flow-run."
_LOGGER = get_logger("workers.run_events")


@dataclass(frozen=True)
class RunNews:
    """A run has a new state, or is alive: then `state_type` is empty. `work_pool` is None where no pool is named."""

    run: str
    state_type: str
    work_pool: str | None


Heard = Callable[[RunNews], None]


class News:
    """The server's events about flow runs."""

    def __init__(self) -> None:
        self.listening = False

    async def follow(self, heard: Heard) -> None:
        """Listen until cancelled; a connection that breaks off is made again. Without a server there is no news."""
        while PREFECT_API_URL.value():
            try:
                await self._listen(heard)
            except Exception as error:  # of whatever kind: without news, whoever listens asks as often as before
                _LOGGER.debug("no news of flow runs: %r", error)
            finally:
                self.listening = False
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _listen(self, heard: Heard) -> None:
        wanted = EventFilter(event=EventNameFilter(prefix=[_RUN]))
        async with get_events_subscriber(filter=wanted, reconnection_attempts=0) as events:
            self.listening = True
            async for event in events:
                heard(_read(event))


def _read(event: Event) -> RunNews:
    pools = [related.name for related in event.related if related.role == "work-pool"]
    run = event.resource.id.removeprefix(_RUN)
    return RunNews(run, event.resource.get("prefect.state-type") or "", pools[0] if pools else None)
