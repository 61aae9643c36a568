"""The run context under Prefect: progress and reports become Prefect artifacts, requests become `gpu` runs."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.artifacts import Artifact as PrefectArtifact
from prefect.artifacts import acreate_markdown_artifact, acreate_progress_artifact
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterType, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import Artifact as KeptArtifact
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.deployments import arun_deployment
from prefect.states import Completed, Failed
from pydantic import BaseModel

from flows.running.bisect import bisect_crashes
from flows.running.context import PERSON_TAG, Queue, RunContext
from flows.running.errors import EXPECTED, RunCrashed, RunFailed, RunRefused
from flows.running.platform import Space, open_platform
from flows.running.requests import decode_failure, encode_failure, encode_requests
from media.errors import ItemError
from modalities.answers import Answer
from modalities.contract import Progress, Request
from storage.artifacts import Artifact, ArtifactStore

MODELS_DEPLOYMENT = "answer-requests/gpu"
REPORT = "report"
_PROGRESS = "How far the run is."
REFUSED_STATE = "Refused"
"""The name of the state of a run that a person must change before it can succeed."""
_ATTEMPTS = 3
"""How often the models are asked: when an alias moves to other weights meanwhile, the question has become another."""
_POLL_SECONDS = 0.15
_UPDATE_SECONDS = 0.5
_PAUSES_SECONDS = (2.0, 10.0, 30.0)
_SERVER_ERROR = 500

ReportT = TypeVar("ReportT", bound=BaseModel)


class ProgressArtifact:
    """Progress of a run as people see it in the UI; `id` lets another run carry it on."""

    def __init__(self, artifact_id: UUID) -> None:
        self.id = artifact_id
        self._told = 0.0
        self._fraction = 0.0
        self._words: str | None = None

    def show_status(self, words: str) -> None:
        """Set the text beside the bar; it appears with the next change of the fraction."""
        self._words = words

    def __call__(self, fraction: float) -> None:
        now = time.monotonic()
        if fraction == self._fraction or (now - self._told < _UPDATE_SECONDS and fraction < 1.0):
            return
        self._told = now
        # Progress that nobody can be told is no reason to stop.
        with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
            moved = ArtifactUpdate(data=round(min(fraction, 1.0) * 100, 1))
            if self._words:
                moved = moved.model_copy(update={"description": self._words})
            client.update_artifact(self.id, moved)
            self._fraction = fraction


async def run_as_flow(
    project: str,
    work: Callable[[RunContext], Awaitable[ReportT]],
    *,
    queue: Queue = "interactive",
    watch: UUID | None = None,
    afterwards: Callable[[RunContext], Awaitable[None]] | None = None,
) -> State[Any]:
    """Do the work of a flow run; its report goes to the bucket, and a person's mistake becomes one sentence.

    A server that does not answer costs another attempt, not the run. `afterwards` clears away what the work needed,
    once the report is kept: a run that is begun again finds its report and does not work without it.
    """
    is_new = _is_first_attempt()
    for pause in (*_PAUSES_SECONDS, None):
        try:
            said = None if is_new else await _said_before()
            return Completed(message=await _attempt(project, work, queue, watch, afterwards, said))
        except (*EXPECTED, httpx.HTTPError) as error:
            get_run_logger().error(str(error))
            if not _passes(error):
                return Failed(name=REFUSED_STATE, message=str(error))
            if pause is None:
                return Failed(message=f"{error} It was tried {len(_PAUSES_SECONDS) + 1} times.")
            is_new = False
            await asyncio.sleep(pause)
    raise AssertionError("the last attempt returns")


async def _attempt(
    project: str,
    work: Callable[[RunContext], Awaitable[ReportT]],
    queue: Queue,
    watch: UUID | None,
    afterwards: Callable[[RunContext], Awaitable[None]] | None,
    said: str | None,
) -> str:
    space = open_platform().space(project)
    progress = ProgressArtifact(watch or await acreate_progress_artifact(progress=0.0, description=_PROGRESS))
    context = RunContext(
        space=space,
        ask=answer_in_gpu_pool,
        show=_show,
        progress=progress,
        queue=queue,
        show_status=progress.show_status,
    )
    if said is None:
        report = await work(context)
        said = str(report)
        await asyncio.gather(_publish(space.store, report), asyncio.to_thread(progress, 1.0))
    else:
        await asyncio.to_thread(progress, 1.0)
    if afterwards is not None:
        await afterwards(context)
    return said


def _passes(error: Exception) -> bool:
    """Whether the same work can succeed later without anybody changing anything."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= _SERVER_ERROR
    return isinstance(error, httpx.HTTPError) or getattr(error, "retryable", False)


async def answer_in_gpu_pool(
    space: Space, requests: Sequence[Request[Any]], queue: Queue, progress: Progress
) -> list[Answer]:
    """Read the answers that exist; let a run in the `gpu` pool find the others."""
    known = dict(zip(requests, await asyncio.to_thread(space.answers.find_all, requests), strict=True))
    failures: dict[str, Any] = {}

    async def ask_run(some: Sequence[Request[Any]]) -> None:
        failures.update(await _run_models(space, some, queue, progress))

    for _ in range(_ATTEMPTS):
        missing = [ask for ask, got in known.items() if got is None and space.answers.recipe(ask).key not in failures]
        if not missing:
            break
        for request, crash in await bisect_crashes(missing, ask_run):
            failures[space.answers.recipe(request).key] = encode_failure(ItemError(str(crash)))
        known.update(zip(missing, await asyncio.to_thread(space.answers.find_all, missing), strict=True))
    return [
        answer if answer is not None else decode_failure(failures.get(space.answers.recipe(request).key))
        for request, answer in ((request, known[request]) for request in requests)
    ]


async def fetch_report(client: PrefectClient, store: ArtifactStore, flow_run_id: UUID) -> dict[str, Any] | None:
    """What a completed run reported, or None when it left no report."""
    found = await _reports(client, flow_run_id)
    if not found:
        return None
    reference = Artifact.model_validate_json(str(found[0].data))
    return json.loads(await asyncio.to_thread(store.get, reference))


async def fetch_progress(client: PrefectClient, flow_run_id: UUID) -> float:
    """How far a run is, from 0 to 1, as its progress artifact says."""
    found = await client.read_artifacts(
        artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=["progress"])),
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])),
    )
    return max((float(str(artifact.data or 0)) / 100 for artifact in found), default=0.0)


async def _run_models(
    space: Space, requests: Sequence[Request[Any]], queue: Queue, progress: Progress
) -> dict[str, Any]:
    work = await asyncio.to_thread(space.store.put, encode_requests(requests), "application/json")
    run = await arun_deployment(
        MODELS_DEPLOYMENT,
        parameters={
            "project": space.project,
            "work": work.model_dump(),
            "watch": str(progress.id) if isinstance(progress, ProgressArtifact) else None,
        },
        flow_run_name=_name_of(requests),
        work_queue_name=queue,
        # The warm worker lets runs go ahead whose model it has loaded, and gives each person a fair turn.
        tags=[f"model:{requests[0].model}", *_whose()],
        poll_interval=_POLL_SECONDS,
    )
    said = (run.state.message if run.state else None) or "no reason was given"
    if run.state is not None and run.state.is_crashed():
        raise RunCrashed(f"Every process that worked on it ended: {said}")
    if run.state is not None and run.state.name == REFUSED_STATE:
        raise RunRefused(f"The run {run.name} that asks the models was refused: {said}")
    if run.state is None or not run.state.is_completed():
        raise RunFailed(f"The run {run.name} that asks the models did not complete: {said}")
    async with get_client() as client:
        report = await fetch_report(client, space.store, run.id)
    return report["failures"] if report else {}


async def _publish(store: ArtifactStore, report: BaseModel) -> None:
    """Keep the report in the bucket, and its reference with the run."""
    kept = await asyncio.to_thread(store.put, report.model_dump_json().encode(), "application/json")
    await PrefectArtifact(type=REPORT, data=kept.model_dump(), description=str(report)).acreate()


def _is_first_attempt() -> bool:
    flow_run_context = FlowRunContext.get()
    return flow_run_context is None or flow_run_context.flow_run is None or flow_run_context.flow_run.run_count <= 1


async def _said_before() -> str | None:
    """What an earlier attempt of this run reported, if it came that far."""
    flow_run_context = FlowRunContext.get()
    if flow_run_context is None or flow_run_context.flow_run is None:
        return None
    async with get_client() as client:
        found = await _reports(client, flow_run_context.flow_run.id)
    return (found[0].description or "Done.") if found else None


async def _reports(client: PrefectClient, flow_run_id: UUID) -> list[KeptArtifact]:
    return await client.read_artifacts(
        artifact_filter=ArtifactFilter(type=ArtifactFilterType(any_=[REPORT])),
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id])),
    )


async def _show(key: str, markdown: str) -> None:
    flow_run_context = FlowRunContext.get()
    name = flow_run_context.flow.name if flow_run_context and flow_run_context.flow else "triptych"
    await acreate_markdown_artifact(
        markdown=markdown,
        key=re.sub(r"[^a-z0-9-]+", "-", f"{name}-{key}".lower()),
        description=f"Open this to see the {key}.",
    )


def _whose() -> list[str]:
    """The tag that names the person whom this run is for, if it has one."""
    flow_run_context = FlowRunContext.get()
    tags = flow_run_context.flow_run.tags if flow_run_context and flow_run_context.flow_run else []
    return [tag for tag in tags if tag.startswith(PERSON_TAG)]


def _name_of(requests: Sequence[Request[Any]]) -> str:
    first = requests[0]
    return f"{type(first).__name__} × {len(requests)} · {first.model}"
