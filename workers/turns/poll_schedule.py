"""Decide when the worker polls for scheduled runs: at an event, otherwise at an interval."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from workers.parent.slot import Slot
from workers.run_events import COMMIT_DELAY_SECONDS, RunEvent, RunEventSubscriber

_BUSY_POLL_SECONDS = 2.0
_LISTENING_POLL_SECONDS = 3.0
"""The poll interval while events arrive, in case one is lost. A poll takes the server 10 to 20 ms."""


class PollSchedule:
    """The time of the last poll, and a subscription to events that makes the next one due at once."""

    def __init__(self, pool: str, slots: Sequence[Slot]) -> None:
        self._pool = pool
        self._slots = slots
        self._events = RunEventSubscriber()
        self._scheduled = asyncio.Event()
        self._polled_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether enough time has passed since the last poll; longer while no slot is free or events arrive."""
        interval = _LISTENING_POLL_SECONDS if self._events.connected else 0.0
        if not self._any_idle():
            interval = _BUSY_POLL_SECONDS
        return time.monotonic() - self._polled_at >= interval

    def polled(self) -> None:
        """Record that a poll happens now."""
        self._polled_at = time.monotonic()

    async def listen(self) -> None:
        """Receive the events of this pool until cancelled."""
        await self._events.listen(self._on_event)

    async def poll_on_events(self, poll: Callable[[], Awaitable[Sequence[object]]]) -> None:
        """Call `poll`, which returns the runs that it started, after each event while a slot is free; never returns."""
        while True:
            await self._scheduled.wait()
            self._scheduled.clear()
            # While all slots are busy, nothing is due: the worker polls whenever one becomes free.
            if self._any_idle() and not await poll():
                await asyncio.sleep(COMMIT_DELAY_SECONDS)
                await poll()

    def _any_idle(self) -> bool:
        return any(slot.idle for slot in self._slots)

    def _on_event(self, event: RunEvent) -> None:
        if event.state_type == "SCHEDULED" and event.work_pool in (None, self._pool):
            self._scheduled.set()
