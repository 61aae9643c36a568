"""The event loop that async flows share, with its connection to the server: both anew would cost 50 ms a run."""

import asyncio
import contextvars
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from prefect.context import AsyncClientContext

from workers.child.first_request import outlast_absence

_T = TypeVar("_T")


class KeptLoop:
    """What `asyncio.run` does, except that a loop which a run left clean is used again."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._client: AsyncClientContext | None = None

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run to the end in this thread. Tasks and threads that the run started do not outlive it."""
        self._runner = self._runner or asyncio.Runner()
        loop = self._runner.get_loop()
        clean = False
        with ThreadPoolExecutor(thread_name_prefix="asyncio") as threads:
            loop.set_default_executor(threads)
            try:
                result = self._runner.run(self._with_client(coroutine), context=contextvars.copy_context())
                clean = not asyncio.all_tasks(loop)
            finally:
                # An exception that broke through the loop left tasks behind: closing ends them, as asyncio.run does.
                if not clean:
                    self._close()
        return result

    async def _with_client(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        if self._client is None:
            self._client = await AsyncClientContext().__aenter__()
            outlast_absence(self._client.client)
        else:
            AsyncClientContext.__var__.set(self._client)
        return await coroutine

    def _close(self) -> None:
        runner, self._runner, self._client = self._runner, None, None
        if runner is not None:
            runner.close()
