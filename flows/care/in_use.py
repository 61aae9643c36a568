"""List the artifacts that only Prefect refers to: parameters of unfinished runs, and reports of runs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TypeVar

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType

from flows.running.prefect_runs import REPORT
from storage.care.garbage import artifact_ids_in

_PAGE = 200
_FINAL = [StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED]
FoundT = TypeVar("FoundT")


async def artifacts_in_use() -> set[str]:
    """Return the artifact ids in the parameters of unfinished runs, and those of the reports that Prefect keeps."""
    unfinished = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=_FINAL)))
    reports = ArtifactFilter(type=ArtifactFilterType(any_=[REPORT]))
    found: set[str] = set()
    async with get_client() as client:
        async for run in all_pages(partial(client.read_flow_runs, flow_run_filter=unfinished)):
            found |= artifact_ids_in(run.parameters)
        async for artifact in all_pages(partial(client.read_artifacts, artifact_filter=reports)):
            found |= artifact_ids_in(artifact.data)
    return found


async def all_pages(read: Callable[..., Awaitable[list[FoundT]]]) -> AsyncIterator[FoundT]:
    """Iterate over all results of a query to Prefect, read page by page."""
    offset = 0
    while page := await read(limit=_PAGE, offset=offset):
        for found in page:
            yield found
        offset += len(page)
