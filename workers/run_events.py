"""Subscribe to the Prefect server's events about flow runs.

An event can be lost, for instance when the server restarts. It only says when to poll, and subscribers still poll now
and then without one.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.events.schemas.events import Event
from prefect.logging import get_logger
from prefect.settings import PREFECT_API_URL

COMMIT_DELAY_SECONDS = 0.1
"""The server emits an event shortly before the new state can be read: who finds nothing polls again after this."""
_RECONNECT_SECONDS = 2.0
_RUN = "prefect.flow-run."
_LOGGER = get_logger("workers.run_events")


@dataclass(frozen=True)
class RunEvent:
    """A new state of a flow run, or a heartbeat, whose `state_type` is empty. `work_pool` is None if none is named."""

    run: str
    state_type: str
    work_pool: str | None


OnRunEvent = Callable[[RunEvent], None]


class RunEventSubscriber:
    """A subscription to the events about flow runs; `connected` says whether it receives them now."""

    def __init__(self) -> None:
        self.connected = False

    async def listen(self, on_event: OnRunEvent) -> None:
        """Call `on_event` for each event until cancelled, and reconnect as necessary. Returns if no server is set."""
        while PREFECT_API_URL.value():
            try:
                await self._receive(on_event)
            except Exception as error:  # of any kind: without events, subscribers poll as often as before
                _LOGGER.debug("no events of flow runs: %r", error)
            finally:
                self.connected = False
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _receive(self, on_event: OnRunEvent) -> None:
        wanted = EventFilter(event=EventNameFilter(prefix=[_RUN]))
        async with get_events_subscriber(filter=wanted, reconnection_attempts=0) as events:
            self.connected = True
            async for event in events:
                on_event(_parse(event))


def _parse(event: Event) -> RunEvent:
    pools = [related.name for related in event.related if related.role == "work-pool"]
    run = event.resource.id.removeprefix(_RUN)
    return RunEvent(run, event.resource.get("prefect.state-type") or "", pools[0] if pools else None)
