"""News of flow runs, as the Prefect server tells them: who listens need not ask all the time.

News can be lost, as when the server restarts: they say when to look, and whoever listens still looks now and then.
"""

import asyncio
from collections.abc import Callable

from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.events.schemas.events import Event
from prefect.logging import get_logger
from prefect.settings import PREFECT_API_URL

_AGAIN_SECONDS = 2.0
_RUN = "prefect.flow-run."
_LOGGER = get_logger("workers.news")

Heard = Callable[[str, str], None]
"""Told the name of a run's new state, and the run's id."""


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
                heard(*_read(event))


def _read(event: Event) -> tuple[str, str]:
    return event.event.removeprefix(_RUN), event.resource.id.rsplit(".", 1)[-1]
