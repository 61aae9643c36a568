"""Background tasks of a worker, referenced until they end, because asyncio holds them only weakly."""

import asyncio
from collections.abc import Callable, Coroutine
from logging import LoggerAdapter
from typing import Any


class BackgroundTasks:
    """Starts tasks, logs those that fail, and cancels them together."""

    def __init__(self, logger: "LoggerAdapter[Any] | Any", pause_seconds: float = 2.0) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._logger = logger
        self._pause_seconds = pause_seconds

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def keep(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start work that must go on: whenever it fails, the error is logged and it is begun again."""
        self.start(self._repeat(work))

    async def _repeat(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                return await work()
            except Exception:  # of any kind, such as a full disk: nobody else does this work
                self._logger.exception("A part of the warm worker failed, and is begun again")
            await asyncio.sleep(self._pause_seconds)

    async def cancel_all(self) -> None:
        """Cancel the tasks that still run, and wait for their end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._logger.error("A part of the warm worker ended", exc_info=error)
