"""The tasks of a worker, kept until they end: asyncio itself holds them only weakly."""

import asyncio
from collections.abc import Coroutine
from logging import LoggerAdapter
from typing import Any


class Tasks:
    """Starts tasks, tells when one of them fails, ends them together."""

    def __init__(self, logger: "LoggerAdapter[Any] | Any") -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._logger = logger

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def end(self) -> None:
        """Cancel what still runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._logger.error("A part of the warm worker ended", exc_info=error)
