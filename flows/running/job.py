"""A job: what every flow needs while it works, whether Prefect runs it or the caller's own process."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from flows.running.platform import Space
from media.errors import ItemError
from modalities.answers import Answer
from modalities.contract import Progress, Request, ResultT, no_progress

Queue = Literal["interactive", "batch"]
BY = "by:"
"""The tag that says whose run it is begins so: the warm workers serve people in turn, not runs."""


class Ask(Protocol):
    """Gets the answers to requests: from the bucket, or from whoever runs the models."""

    async def __call__(
        self, space: Space, requests: Sequence[Request[Any]], queue: Queue, progress: Progress
    ) -> list[Answer]: ...


Show = Callable[[str, str], Awaitable[None]]
"""Shows a person something: a key and Markdown."""


@dataclass(frozen=True)
class Job:
    """The project that a flow works in, its way to the models, and its ways to tell people how it goes."""

    space: Space
    ask: Ask
    show: Show
    progress: Progress = no_progress
    queue: Queue = "interactive"
    tell: Callable[[str], None] = lambda _: None
    """Tells a person in words how far it is, beside the progress."""

    async def answer(self, request: Request[ResultT], progress: Progress | None = None) -> ResultT:
        """One answer. Raises the ItemError of a request that cannot be answered."""
        answer = (await self.answers([request], progress))[0]
        if isinstance(answer, ItemError):
            raise answer
        return answer  # pyright: ignore[reportReturnType]

    async def answers(self, requests: Sequence[Request[Any]], progress: Progress | None = None) -> list[Answer]:
        """One answer per request, in order, with the error in the place of one that failed."""
        if not requests:
            return []
        return await self.ask(self.space, requests, self.queue, progress or self.progress)


async def ask_here(space: Space, requests: Sequence[Request[Any]], queue: Queue, progress: Progress) -> list[Answer]:
    """Run the models in this process, away from the event loop."""
    return await asyncio.to_thread(space.answers.run_all, requests, progress)


async def show_nothing(key: str, markdown: str) -> None:
    """For callers that read the report themselves."""


def local_job(space: Space, progress: Progress = no_progress) -> Job:
    """A job without a server: everything happens in this process."""
    return Job(space=space, ask=ask_here, show=show_nothing, progress=progress)
