"""Start, list, follow and cancel jobs through Prefect, within the caller's project."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from flows.running.context import PERSON_TAG
from flows.running.platform import Platform
from flows.running.prefect_api import prefect_client
from flows.running.prefect_runs import fetch_report
from gateway.errors import AlreadyExists, NotFound, RunDidNotComplete, WrongInput
from gateway.http.jobs.job import PROJECT_TAG, Job, project_of, state_of, tag_value
from gateway.http.jobs.prefect_errors import translated_errors
from gateway.http.jobs.queue import JobQueue
from gateway.http.jobs.run_parameters import check_values, has_parameters, scoped_parameters
from gateway.http.jobs.run_watcher import RunSnapshot, RunWatcher, add_progress, read_snapshots
from gateway.parameters import full_name
from gateway.tokens import Person

_DEPLOYMENTS_TTL_SECONDS = 30.0
_UNFINISHED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
INGEST = "ingest"
"""The deployment that ingests objects of the bucket by their keys."""
OnStart = Callable[[Job], None]


class Jobs:
    """The jobs of all projects. Every method is confined to the project that it is given."""

    def __init__(self, platform: Platform, client: PrefectClient, on_start: OnStart) -> None:
        self._platform = platform
        self._on_start = on_start
        self._client = client
        self._queue = JobQueue(client)
        self._watcher = RunWatcher(client, platform.settings)
        self._deployments: dict[UUID, DeploymentResponse] = {}
        self._deployments_read = 0.0

    @classmethod
    @asynccontextmanager
    async def open(cls, platform: Platform, on_start: OnStart) -> AsyncGenerator["Jobs"]:
        """Connect to the Prefect server, which need not be up yet; `on_start` is called with each new job."""
        async with prefect_client(platform.settings) as client:
            jobs = cls(platform, client, on_start)
            async with jobs._watcher.running():
                yield jobs

    async def deployments(self) -> list[DeploymentResponse]:
        """Return all deployments, sorted by name."""
        async with translated_errors():
            if not self._deployments or time.monotonic() - self._deployments_read > _DEPLOYMENTS_TTL_SECONDS:
                found = await self._client.read_deployments()
                self._deployments, self._deployments_read = {each.id: each for each in found}, time.monotonic()
        return sorted(self._deployments.values(), key=lambda each: each.name)

    async def submit(
        self, person: Person, project: str, deployment: str, values: dict[str, Any], *, key: str | None = None
    ) -> Job:
        """Start a deployment with values that a person sends; an idempotency key starts it at most once.

        The values may name the project. Raises NotFound, WrongInput, NotAllowed, AlreadyExists, TooBusy, NotReachable.
        """
        return await self._start(person, project, deployment, values, key, is_trusted=False)

    async def start(
        self, person: Person, project: str, deployment: str, values: dict[str, Any], *, key: str | None = None
    ) -> Job:
        """As `submit`, for values that the gateway itself has put together, such as the keys of uploads."""
        return await self._start(person, project, deployment, values, key, is_trusted=True)

    async def _start(
        self,
        person: Person,
        project: str,
        deployment: str,
        values: dict[str, Any],
        key: str | None,
        *,
        is_trusted: bool,
    ) -> Job:
        check_values(values)
        async with translated_errors():
            found = await self._deployment(deployment)
            project, parameters = scoped_parameters(found, values, project, person, is_trusted=is_trusted)
            await self._queue.admit(self._platform.settings.gateway_wait_seconds)
            run = await self._client.create_flow_run_from_deployment(
                found.id,
                parameters=parameters,
                tags=[f"{PROJECT_TAG}{project}", f"{PERSON_TAG}{person.name}"],
                idempotency_key=f"{project}:{person.name}:{key}" if key else None,
            )
            if key and project_of(run) == project and not has_parameters(run, parameters):
                raise AlreadyExists(f"The Idempotency-Key {key!r} was used for another request.")
            job = await self._describe(RunSnapshot(run, 0.0))
        await asyncio.to_thread(self._on_start, job)
        return job

    async def check_admission(self) -> None:
        """Raise TooBusy if a job that is started now would be refused, or NotReachable."""
        async with translated_errors():
            await self._queue.check(self._platform.settings.gateway_wait_seconds)

    async def get(self, project: str, job_id: UUID) -> Job:
        """Return a job of the project. Raises NotFound."""
        return await self._describe(await self._snapshot(project, job_id))

    async def list_newest(self, project: str, *, limit: int = 50, offset: int = 0) -> list[Job]:
        """Return the project's jobs that were started through the gateway, newest first."""
        async with translated_errors():
            runs = await self._client.read_flow_runs(
                flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[f"{PROJECT_TAG}{project}"])),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=limit,
                offset=offset,
            )
            return [await self._describe(snapshot) for snapshot in await add_progress(self._client, runs)]

    async def follow(self, project: str, job_id: UUID) -> AsyncIterator[Job]:
        """Yield the job as it is, then after each change until it is final. Raises NotFound, NotReachable."""
        await self._snapshot(project, job_id)
        async for snapshot in self._watcher.follow(job_id):
            yield await self._describe(snapshot)

    async def wait_for_result(self, project: str, job_id: UUID) -> dict[str, Any]:
        """Wait until the job is final and return its report. Raises WrongInput if it was refused, RunDidNotComplete."""
        states = [job async for job in self.follow(project, job_id)]
        return await self.result(project, states[-1])

    async def result(self, project: str, job: Job) -> dict[str, Any]:
        """Return the report of a completed job. Raises WrongInput if it was refused, RunDidNotComplete."""
        if job.state == "refused":
            raise WrongInput(job.message or "The request was refused.")
        if job.state != "completed":
            raise RunDidNotComplete(f"The job {job.name} is {job.state}: {job.message or 'no reason was given'}")
        async with translated_errors():
            return await fetch_report(self._client, self._platform.space(project).store, job.id) or {}

    async def cancel(self, project: str, job_id: UUID) -> Job:
        """Cancel a job and its child runs; a final job is left as it is. Raises NotFound."""
        snapshot = await self._snapshot(project, job_id)
        if not snapshot.is_final:
            async with translated_errors():
                children = await self._client.read_flow_runs(
                    flow_run_filter=FlowRunFilter(
                        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[job_id]),
                        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED)),
                    )
                )
                for run in (snapshot.run, *children):
                    await self._client.set_flow_run_state(run.id, Cancelling())
        return await self.get(project, job_id)

    async def read_jobs(self, job_ids: Sequence[UUID]) -> dict[UUID, Job]:
        """Return the jobs that exist among these, of any project."""
        async with translated_errors():
            snapshots = await read_snapshots(self._client, list(job_ids))
            return {which: await self._describe(snapshot) for which, snapshot in snapshots.items()}

    async def _deployment(self, name: str) -> DeploymentResponse:
        try:
            return await self._client.read_deployment_by_name(full_name(name))
        except ObjectNotFound as error:
            raise NotFound(f"There is no deployment {name}: GET /api/deployments lists them.") from error

    async def _snapshot(self, project: str, job_id: UUID) -> RunSnapshot:
        async with translated_errors():
            snapshot = (await read_snapshots(self._client, [job_id])).get(job_id)
        if snapshot is None or project_of(snapshot.run) != project:
            raise NotFound(f"Project {project} has no job {job_id}.")
        return snapshot

    async def _describe(self, snapshot: RunSnapshot) -> Job:
        run, state = snapshot.run, state_of(snapshot.run)
        position, estimate = (None, None)
        async with translated_errors():
            if state in ("queued", "running"):
                position, estimate = await self._queue.position(run)
        names = {each.id: each.name for each in await self.deployments()}
        return Job(
            id=run.id,
            name=run.name,
            deployment=names.get(run.deployment_id, "") if run.deployment_id else "",
            project=project_of(run),
            by=tag_value(run, PERSON_TAG),
            state=state,
            position=position,
            estimate_seconds=estimate,
            progress=1.0 if state == "completed" else snapshot.progress,
            message=(run.state.message if run.state else None) or None,
            created=run.created,
            started=run.start_time,
            ended=run.end_time,
        )
