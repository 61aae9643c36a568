"""The run context under Prefect: progress and reports become Prefect artifacts, requests become `gpu` runs."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.artifacts import acreate_markdown_artifact, acreate_progress_artifact
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed
from pydantic import BaseModel

from flows.running.context import Queue, RunContext
from flows.running.errors import EXPECTED
from flows.running.gpu_pool import answer_in_gpu_pool
from flows.running.platform import open_platform
from flows.running.prefect_runs import (
    REFUSED_STATE,
    ProgressArtifact,
    current_flow_run,
    publish_report,
    published_message,
)

_PARALLEL = 6
"""How many pieces of one recording wait or run in the pool of the models at once."""
_PROGRESS = "How far the run is."
_PAUSES_SECONDS = (2.0, 4.0, 8.0, 10.0, 10.0, 10.0)
"""Pauses before the attempts after the first. None is longer than ten seconds: a run goes on soon after an outage."""
_SERVER_ERROR = 500

ReportT = TypeVar("ReportT", bound=BaseModel)
Work = Callable[[RunContext], Awaitable[ReportT]]
Cleanup = Callable[[RunContext], Awaitable[None]]


async def run_as_flow(
    project: str,
    work: Work[ReportT],
    *,
    queue: Queue = "interactive",
    watch: UUID | None = None,
    cleanup: Cleanup | None = None,
) -> State[Any]:
    """Do the work of the current flow run, publish its report, and return the state that the run ends in.

    Errors that may pass are retried; others end the run as Refused, with the error's sentence. `watch` is the id of
    the progress artifact of the run that waits for this one. `cleanup` runs after the report is published: an attempt
    that finds the report of an earlier one skips the work, so it does not need what was cleaned up.
    """
    is_first = _is_first_attempt()
    for pause_seconds in (*_PAUSES_SECONDS, None):
        try:
            earlier_message = None if is_first else await published_message()
            return Completed(message=await _attempt(project, work, queue, watch, cleanup, earlier_message))
        except (*EXPECTED, httpx.HTTPError) as error:
            get_run_logger().error(str(error))
            if not _is_retryable(error):
                return Failed(name=REFUSED_STATE, message=str(error))
            if pause_seconds is None:
                return Failed(message=f"{error} It was tried {len(_PAUSES_SECONDS) + 1} times.")
            is_first = False
            await asyncio.sleep(pause_seconds)
    raise AssertionError("the last attempt returns")


async def _attempt(
    project: str,
    work: Work[ReportT],
    queue: Queue,
    watch: UUID | None,
    cleanup: Cleanup | None,
    earlier_message: str | None,
) -> str:
    """Do the work unless an earlier attempt did; return the sentence of its report."""
    space = open_platform().space(project)
    progress = ProgressArtifact(watch or await acreate_progress_artifact(progress=0.0, description=_PROGRESS))
    context = RunContext(
        space=space,
        ask=answer_in_gpu_pool,
        show=_show_page,
        progress=progress,
        queue=queue,
        parallel=_PARALLEL,
        show_status=progress.show_status,
    )
    if earlier_message is None:
        report = await work(context)
        message = str(report)
        await asyncio.gather(publish_report(space.store, report), asyncio.to_thread(progress, 1.0))
    else:
        message = earlier_message
        await asyncio.to_thread(progress, 1.0)
    if cleanup is not None:
        await cleanup(context)
    return message


def _is_retryable(error: Exception) -> bool:
    """Whether the error is transient: the same run may succeed when it is retried."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= _SERVER_ERROR
    return isinstance(error, httpx.HTTPError) or getattr(error, "retryable", False)


def _is_first_attempt() -> bool:
    run = current_flow_run()
    return run is None or run.run_count <= 1


async def _show_page(key: str, markdown: str) -> None:
    """Publish a page as a Markdown artifact of the current run."""
    context = FlowRunContext.get()
    name = context.flow.name if context and context.flow else "triptych"
    await acreate_markdown_artifact(
        markdown=markdown,
        key=re.sub(r"[^a-z0-9-]+", "-", f"{name}-{key}".lower()),
        description=f"Open this to see the {key}.",
    )
