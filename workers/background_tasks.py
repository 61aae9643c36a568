"""Background tasks of a worker, referenced until they end, because asyncio holds them only weakly."""

import asyncio
from collections.abc import Coroutine
from logging import LoggerAdapter
from typing import Any


class BackgroundTasks:
    """Starts tasks, logs those that fail, and cancels them together."""

    def __init__(self, logger: "LoggerAdapter[Any] | Any") -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._logger = logger

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

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
