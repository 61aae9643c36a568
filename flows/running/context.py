"""The run context: what a flow works with, whether Prefect runs it or the caller's own process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from flows.running.platform import Space
from media.errors import ItemError
from modalities.answers import Answer
from modalities.contract import Progress, Request, ResultT, no_progress

Queue = Literal["interactive", "batch"]
PERSON_TAG = "by:"
"""Prefix of the tag that names the person a run is for. The warm workers share their slots among persons by it."""


class AskModels(Protocol):
    """Answer requests: from the bucket where the answer is stored, otherwise by running the models."""

    async def __call__(
        self, space: Space, requests: Sequence[Request[Any]], queue: Queue, progress: Progress
    ) -> list[Answer]: ...


ShowPage = Callable[[str, str], Awaitable[None]]
"""Publish a Markdown page under a key."""


@dataclass(frozen=True)
class RunContext:
    """The project that a flow works in, access to the models, and callbacks that report progress and pages."""

    space: Space
    ask: AskModels
    show: ShowPage
    progress: Progress = no_progress
    queue: Queue = "interactive"
    parallel: int = 1
    """How many requests that belong together are asked at once, each in a run of its own."""
    show_status: Callable[[str], None] = lambda _: None
    """Set the status text beside the progress bar."""

    async def answer(self, request: Request[ResultT], progress: Progress | None = None) -> ResultT:
        """Return the answer to one request. Raises its ItemError if it cannot be answered."""
        answer = (await self.answers([request], progress))[0]
        if isinstance(answer, ItemError):
            raise answer
        return answer  # pyright: ignore[reportReturnType]

    async def answers(self, requests: Sequence[Request[Any]], progress: Progress | None = None) -> list[Answer]:
        """Return one answer per request, in order; a request that failed has its ItemError in its place."""
        if not requests:
            return []
        return await self.ask(self.space, requests, self.queue, progress or self.progress)


async def run_models_here(
    space: Space, requests: Sequence[Request[Any]], queue: Queue, progress: Progress
) -> list[Answer]:
    """Run the models in this process, in a thread beside the event loop."""
    return await asyncio.to_thread(space.answers.run_all, requests, progress)


async def show_nothing(key: str, markdown: str) -> None:
    """Drop the page: the caller reads the report itself."""


def local_context(space: Space, progress: Progress = no_progress) -> RunContext:
    """Return a context that needs no Prefect server: everything happens in this process."""
    return RunContext(space=space, ask=run_models_here, show=show_nothing, progress=progress)
