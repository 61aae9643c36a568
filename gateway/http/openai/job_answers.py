"""Yield the answers of a job's requests as soon as each is computed, while the job still runs."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from flows.running.platform import Space
from gateway.errors import RunDidNotComplete, WrongInput
from gateway.http.access import Caller
from gateway.http.jobs.job import Job
from modalities.contract import Request, ResultT


async def follow_answers(
    caller: Caller, job: Job, requests: Sequence[Request[ResultT]]
) -> AsyncGenerator[tuple[int, ResultT]]:
    """Yield each answer with the number of its request, in the order in which they are computed.

    Raises WrongInput or RunDidNotComplete if the job ends before all requests are answered.
    """
    yielded: set[int] = set()
    async for state in caller.services.jobs.follow(caller.project, job.id):
        for number, answer in await asyncio.to_thread(_find_answers, caller.space, requests, yielded):
            yielded.add(number)
            yield number, answer
        if len(yielded) == len(requests):
            return
        if state.is_final:
            report = await caller.services.jobs.result(caller.project, state)  # raises unless the job is completed
            raise _incomplete(report, state, len(requests) - len(yielded))


async def in_order(answers: AsyncGenerator[tuple[int, ResultT]]) -> AsyncGenerator[ResultT]:
    """Yield answers in the order of their requests: each as soon as all before it have been yielded."""
    waiting: dict[int, ResultT] = {}
    following = 0
    async for number, answer in answers:
        waiting[number] = answer
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _incomplete(report: dict[str, Any], job: Job, missing: int) -> Exception:
    """Return the error for a completed job with missing answers: the first failure that its report names, if any."""
    if failures := report.get("failures"):
        return WrongInput(str(failures[0]))
    return RunDidNotComplete(f"The job {job.name} is completed, but {missing} of its answers are missing.")


def _find_answers(space: Space, requests: Sequence[Request[Any]], excluded: set[int]) -> list[tuple[int, Any]]:
    wanted = [number for number in range(len(requests)) if number not in excluded]
    found = space.answers.find_all([requests[number] for number in wanted])
    return [(number, answer) for number, answer in zip(wanted, found, strict=True) if answer is not None]
