"""In use: the artifacts that Prefect knows of, which no record names: work of runs that are not over, and reports."""

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType

from flows.prefect_job import REPORT
from storage.garbage import ids_in

_PAGE = 200
_OVER = [StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED]


async def artifacts_in_use() -> set[str]:
    """The ids in the parameters of runs that are not over, and those of the reports that Prefect keeps."""
    async with get_client() as client:
        return await _of_runs(client) | await _of_reports(client)


async def _of_runs(client: PrefectClient) -> set[str]:
    waiting = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=_OVER)))
    found: set[str] = set()
    offset = 0
    while runs := await client.read_flow_runs(flow_run_filter=waiting, limit=_PAGE, offset=offset):
        found |= ids_in([run.parameters for run in runs])
        offset += len(runs)
    return found


async def _of_reports(client: PrefectClient) -> set[str]:
    reports = ArtifactFilter(type=ArtifactFilterType(any_=[REPORT]))
    found: set[str] = set()
    offset = 0
    while artifacts := await client.read_artifacts(artifact_filter=reports, limit=_PAGE, offset=offset):
        found |= ids_in([artifact.data for artifact in artifacts])
        offset += len(artifacts)
    return found
