"""Delete what Prefect keeps about removed artifacts: the runs that were about them or show them."""

import asyncio
from collections.abc import Mapping, Set
from contextlib import suppress
from functools import partial
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterType, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import Artifact as StoredPrefectArtifact
from prefect.exceptions import ObjectNotFound

from flows.care.in_use import all_pages
from flows.running.platform import Space
from flows.running.prefect_runs import REPORT
from storage.artifacts import Artifact
from storage.care.garbage import artifact_ids_in
from storage.care.tombstones import Tombstones
from storage.errors import ArtifactCorrupt, ArtifactNotFound

_REPORTS_AND_PAGES = ArtifactFilter(type=ArtifactFilterType(any_=[REPORT, "markdown"]))


async def delete_runs_of_removed(space: Space) -> int:
    """Delete the runs that name an artifact which was removed, with their reports and pages; return how many.

    A run names artifacts in its parameters, in its report and on its pages; of one that has not ended, report and
    pages are deleted alone. The bytes of reports are removed by later garbage collections. Artifacts that were
    ingested again count as not removed.
    """
    removed = await asyncio.to_thread(_removed, space)
    if not removed:
        return 0
    async with get_client() as client:
        runs = await _runs_that_name(client, space, removed)
        for run, has_ended in runs.items():
            await _delete_artifacts(client, run)
            if has_ended:
                with suppress(ObjectNotFound):  # deleted concurrently
                    await client.delete_flow_run(run)
    return len(runs)


def _removed(space: Space) -> set[str]:
    tombstones = Tombstones(space.platform.bucket, space.project).all()
    return {each.artifact for each in tombstones if not space.records.exists(each.artifact)}


async def _runs_that_name(client: PrefectClient, space: Space, removed: Set[str]) -> Mapping[UUID, bool]:
    """Return the ids of the runs to delete, and whether each has ended."""
    ended: dict[UUID, bool] = {}
    found: set[UUID] = set()
    async for run in all_pages(client.read_flow_runs):
        ended[run.id] = run.state is not None and run.state.is_final()
        if removed & artifact_ids_in(run.parameters):
            found.add(run.id)
    async for artifact in all_pages(partial(client.read_artifacts, artifact_filter=_REPORTS_AND_PAGES)):
        run_id = artifact.flow_run_id
        if run_id and run_id not in found and await asyncio.to_thread(_names, space, artifact, removed):
            found.add(run_id)
    return {run: ended.get(run, False) for run in found}


def _names(space: Space, artifact: StoredPrefectArtifact, removed: Set[str]) -> bool:
    """Whether a page, or the report that it refers to, names a removed artifact."""
    if artifact.type != REPORT:
        return bool(removed & artifact_ids_in(artifact.data))
    try:
        report = space.store.get(Artifact.model_validate_json(str(artifact.data)))
    except (ArtifactNotFound, ArtifactCorrupt):
        return False  # it is of another project, or gone
    return bool(removed & artifact_ids_in(report.decode()))


async def _delete_artifacts(client: PrefectClient, run: UUID) -> None:
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
    for artifact in await client.read_artifacts(artifact_filter=_REPORTS_AND_PAGES, flow_run_filter=of_run):
        await client.delete_artifact(artifact.id)
