"""An event loop and a Prefect client that async flows share: making both for each run costs 50 ms."""

import asyncio
import contextvars
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from prefect.context import AsyncClientContext

from workers.child.first_request import retry_first_request

_T = TypeVar("_T")


class PersistentLoop:
    """Like `asyncio.run`, except that the loop is reused unless a run left tasks behind."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._client: AsyncClientContext | None = None

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run the coroutine to its end in this thread, and end the tasks and executor threads that it started."""
        self._runner = self._runner or asyncio.Runner()
        loop = self._runner.get_loop()
        clean = False
        with ThreadPoolExecutor(thread_name_prefix="asyncio") as threads:
            loop.set_default_executor(threads)
            try:
                result = self._runner.run(self._with_client(coroutine), context=contextvars.copy_context())
                clean = not asyncio.all_tasks(loop)
            finally:
                # An exception that stopped the loop left tasks behind: closing cancels them, as asyncio.run does.
                if not clean:
                    self._close()
        return result

    async def _with_client(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        if self._client is None:
            self._client = await AsyncClientContext().__aenter__()
            retry_first_request(self._client.client)
        else:
            AsyncClientContext.__var__.set(self._client)
        return await coroutine

    def _close(self) -> None:
        runner, self._runner, self._client = self._runner, None, None
        if runner is not None:
            runner.close()
