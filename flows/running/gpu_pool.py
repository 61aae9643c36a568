"""Answer requests with flow runs in the `gpu` work pool, whose workers keep the models loaded."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from prefect.client.orchestration import get_client
from prefect.deployments import arun_deployment

from flows.running.context import PERSON_TAG, Queue
from flows.running.errors import RunCrashed, RunFailed, RunRefused
from flows.running.platform import Space
from flows.running.prefect_runs import REFUSED_STATE, ProgressArtifact, current_flow_run, fetch_report
from flows.running.requests import decode_failure, encode_failure, encode_requests, request_key
from media.errors import ItemError
from modalities.answers import Answer
from modalities.contract import Progress, Request

MODELS_DEPLOYMENT = "answer-requests/gpu"
_ROUNDS = 3
"""How often missing answers are requested: an alias that moves to other weights in between changes the recipes."""
_POLL_SECONDS = 0.15
RequestT = TypeVar("RequestT")


async def answer_in_gpu_pool(
    space: Space, requests: Sequence[Request[Any]], queue: Queue, progress: Progress
) -> list[Answer]:
    """Return one answer per request: the stored one, or the one that a run in the `gpu` pool computes.

    Raises RunFailed or RunRefused. A request that crashes every worker is answered with an ItemError.
    """
    unusable = await asyncio.to_thread(space.answers.unusable, requests)
    usable = [request for request in requests if request not in unusable]
    known = dict(zip(usable, await asyncio.to_thread(space.answers.find_all, usable), strict=True))
    failures: dict[str, Any] = {}

    async def run(batch: Sequence[Request[Any]]) -> None:
        failures.update(await _run_models(space, batch, queue, progress))

    for _ in range(_ROUNDS):
        missing = [
            request for request, answer in known.items() if answer is None and request_key(request) not in failures
        ]
        if not missing:
            break
        for request, crash in await bisect_crashes(missing, run):
            failures[request_key(request)] = encode_failure(ItemError(str(crash)))
        known.update(zip(missing, await asyncio.to_thread(space.answers.find_all, missing), strict=True))

    def answer(request: Request[Any]) -> Answer:
        found = unusable.get(request) or known[request]
        return found if found is not None else decode_failure(failures.get(request_key(request)))

    return [answer(request) for request in requests]


async def bisect_crashes(
    requests: Sequence[RequestT], run: Callable[[Sequence[RequestT]], Awaitable[None]]
) -> list[tuple[RequestT, RunCrashed]]:
    """Run the requests as one batch; if that crashes, run each half. Return the requests that crash a run alone."""
    try:
        await run(requests)
    except RunCrashed as crash:
        if len(requests) == 1:
            return [(requests[0], crash)]
        half = len(requests) // 2
        return await bisect_crashes(requests[:half], run) + await bisect_crashes(requests[half:], run)
    return []


async def _run_models(
    space: Space, requests: Sequence[Request[Any]], queue: Queue, progress: Progress
) -> dict[str, Any]:
    """Run the requests in the `gpu` pool and wait. Return the failures by request key; answers are in the bucket."""
    work = await asyncio.to_thread(space.store.put, encode_requests(requests), "application/json")
    run = await arun_deployment(
        MODELS_DEPLOYMENT,
        parameters={
            "project": space.project,
            "work": work.model_dump(),
            "watch": str(progress.id) if isinstance(progress, ProgressArtifact) else None,
        },
        flow_run_name=_run_name(requests),
        work_queue_name=queue,
        # The warm worker prefers runs whose model is loaded, and shares its slots fairly among persons.
        tags=[f"model:{requests[0].model}", *_person_tags()],
        poll_interval=_POLL_SECONDS,
    )
    message = (run.state.message if run.state else None) or "no reason was given"
    if run.state is not None and run.state.is_crashed():
        raise RunCrashed(f"Every process that worked on it ended: {message}")
    if run.state is not None and run.state.name == REFUSED_STATE:
        raise RunRefused(f"The run {run.name} that asks the models was refused: {message}")
    if run.state is None or not run.state.is_completed():
        raise RunFailed(f"The run {run.name} that asks the models did not complete: {message}")
    async with get_client() as client:
        report = await fetch_report(client, space.store, run.id)
    return report["failures"] if report else {}


def _person_tags() -> list[str]:
    """List the tags of the current run that name a person."""
    run = current_flow_run()
    return [tag for tag in run.tags if tag.startswith(PERSON_TAG)] if run else []


def _run_name(requests: Sequence[Request[Any]]) -> str:
    first = requests[0]
    return f"{type(first).__name__} × {len(requests)} · {first.model}"
