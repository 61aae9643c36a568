"""Jobs: deployments run for people, through Prefect, in order, and only as many as can be done soon."""

import asyncio
import copy
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Cancelling

from flows.running.context import PERSON_TAG
from flows.running.errors import NotReachable
from flows.running.platform import Platform
from flows.running.prefect_api import prefect_client
from flows.running.prefect_runs import fetch_report
from gateway.errors import AlreadyThere, NotAllowed, NotThere, RunDidNotComplete, WrongInput
from gateway.http.jobs.job import OF, Job, project_of, state_of, tagged
from gateway.http.jobs.queue import Line
from gateway.http.jobs.watch import Sight, Watch, look
from gateway.parameters import fields_of, full_name, parameters_of
from gateway.tokens import Person

_KNOWN_SECONDS = 30.0
_ALIVE = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
PEOPLE = "cpu"
"""The pool of the deployments that people start."""
UPLOADED = "ingest"
"""The deployment that takes keys of the bucket: people reach it through an upload alone."""


Started = Callable[[Job], None]


class Jobs:
    """The way to Prefect for everybody at the gateway."""

    def __init__(self, platform: Platform, client: PrefectClient, started: Started) -> None:
        self._platform = platform
        self._started = started
        self._client = client
        self._line = Line(client)
        self._watch = Watch(client, platform.settings)
        self._deployments: dict[UUID, DeploymentResponse] = {}
        self._read = 0.0

    @classmethod
    @asynccontextmanager
    async def open(cls, platform: Platform, started: Started) -> AsyncGenerator["Jobs"]:
        """Jobs on the Prefect server of the settings, which may be away for a while; `started` hears of each job."""
        async with prefect_client(platform.settings) as client:
            jobs = cls(platform, client, started)
            async with jobs._watch.running():
                yield jobs

    async def deployments(self) -> list[DeploymentResponse]:
        """What can be run, by name."""
        async with _translated():
            if not self._deployments or time.monotonic() - self._read > _KNOWN_SECONDS:
                found = await self._client.read_deployments()
                self._deployments, self._read = {each.id: each for each in found}, time.monotonic()
        return sorted(self._deployments.values(), key=lambda each: each.name)

    async def submit(
        self, person: Person, project: str, deployment: str, values: dict[str, Any], *, key: str | None = None
    ) -> Job:
        """Start a deployment with these values of its form; the same key starts it once.

        Raises NotThere, WrongInput, NotAllowed, AlreadyThere, TooBusy, NotReachable.
        """
        if deployment.split("/")[-1] == UPLOADED and person.role != "admin":
            raise NotAllowed("Files are taken in where they are uploaded: send them to /api/artifacts.")
        return await self.start(person, project, deployment, values, key=key)

    async def start(
        self, person: Person, project: str, deployment: str, values: dict[str, Any], *, key: str | None = None
    ) -> Job:
        """As `submit`, for what the gateway itself wants to run."""
        _check_text(values)
        async with _translated():
            found = await self._deployment(deployment)
            parameters = _placed(found, values, project, person)
            await self._line.admit(self._platform.settings.gateway_wait_seconds)
            run = await self._client.create_flow_run_from_deployment(
                found.id,
                parameters=parameters,
                tags=[f"{OF}{project}", f"{PERSON_TAG}{person.name}"],
                idempotency_key=f"{project}:{person.name}:{key}" if key else None,
            )
            if key and project_of(run) == project and not _same(run, parameters):
                raise AlreadyThere(f"The Idempotency-Key {key!r} was used for another request.")
            job = await self._describe(Sight(run, 0.0))
        await asyncio.to_thread(self._started, job)
        return job

    async def get(self, project: str, job_id: UUID) -> Job:
        """A job of the project. Raises NotThere."""
        return await self._describe(await self._sight(project, job_id))

    async def newest(self, project: str, *, limit: int = 50, offset: int = 0) -> list[Job]:
        """The project's jobs that were asked for at the gateway, the newest first."""
        async with _translated():
            runs = await self._client.read_flow_runs(
                flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[f"{OF}{project}"])),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=limit,
                offset=offset,
            )
            sights = await look(self._client, [run.id for run in runs]) if runs else {}
            return [await self._describe(sights[run.id]) for run in runs if run.id in sights]

    async def follow(self, project: str, job_id: UUID) -> AsyncIterator[Job]:
        """The job as it is, and whenever it changes, until it has ended. Raises NotThere, NotReachable."""
        await self._sight(project, job_id)
        async for sight in self._watch.follow(job_id):
            yield await self._describe(sight)

    async def finished(self, project: str, job_id: UUID) -> dict[str, Any]:
        """Wait for a job, and its report. Raises WrongInput for one that was refused, RunDidNotComplete."""
        states = [job async for job in self.follow(project, job_id)]
        return await self.result(project, states[-1])

    async def result(self, project: str, job: Job) -> dict[str, Any]:
        """What a completed job reported. Raises WrongInput, RunDidNotComplete."""
        if job.state == "refused":
            raise WrongInput(job.message or "The request was refused.")
        if job.state != "completed":
            raise RunDidNotComplete(f"The job {job.name} is {job.state}: {job.message or 'no reason was given'}")
        async with _translated():
            return await fetch_report(self._client, self._platform.space(project).store, job.id) or {}

    async def cancel(self, project: str, job_id: UUID) -> Job:
        """Stop a job and what it started; one that has ended stays as it is. Raises NotThere."""
        sight = await self._sight(project, job_id)
        if not sight.is_final:
            async with _translated():
                started = await self._client.read_flow_runs(
                    flow_run_filter=FlowRunFilter(
                        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[job_id]),
                        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_ALIVE)),
                    )
                )
                for run in (sight.run, *started):
                    await self._client.set_flow_run_state(run.id, Cancelling())
        return await self.get(project, job_id)

    async def states(self, job_ids: Sequence[UUID]) -> dict[UUID, Job]:
        """The jobs that exist among these, of any project."""
        async with _translated():
            sights = await look(self._client, list(job_ids))
            return {which: await self._describe(sight) for which, sight in sights.items()}

    async def _deployment(self, name: str) -> DeploymentResponse:
        try:
            return await self._client.read_deployment_by_name(full_name(name))
        except ObjectNotFound as error:
            raise NotThere(f"There is no deployment {name}: GET /api/deployments lists them.") from error

    async def _sight(self, project: str, job_id: UUID) -> Sight:
        async with _translated():
            sight = (await look(self._client, [job_id])).get(job_id)
        if sight is None or project_of(sight.run) != project:
            raise NotThere(f"Project {project} has no job {job_id}.")
        return sight

    async def _describe(self, sight: Sight) -> Job:
        run, state = sight.run, state_of(sight.run)
        position, estimate = (None, None)
        async with _translated():
            if state in ("queued", "running"):
                position, estimate = await self._line.place(run)
        names = {each.id: each.name for each in await self.deployments()}
        return Job(
            id=run.id,
            name=run.name,
            deployment=names.get(run.deployment_id, "") if run.deployment_id else "",
            project=project_of(run),
            by=tagged(run, PERSON_TAG),
            state=state,
            position=position,
            estimate_seconds=estimate,
            progress=1.0 if state == "completed" else sight.progress,
            message=(run.state.message if run.state else None) or None,
            created=run.created,
            started=run.start_time,
            ended=run.end_time,
        )


def _placed(found: DeploymentResponse, values: dict[str, Any], project: str, person: Person) -> dict[str, Any]:
    """The parameters with the project in them; what works in no project, or in another pool, is for admins."""
    if person.role != "admin" and not is_for_people(found):
        raise NotAllowed(f"The deployment {found.name} is for admins.")
    schema, given = found.parameter_openapi_schema or {}, copy.deepcopy(values)
    if "project" in fields_of(schema):
        given["project"] = project
    try:
        return parameters_of(schema, given)
    except TypeError as error:
        raise WrongInput(f"The values of {found.name} are not right: a form is a JSON object.") from error


def _check_text(values: dict[str, Any]) -> None:
    """Raises WrongInput for what cannot be kept: Postgres takes no NUL, and JSON no number that is none."""
    try:
        text = json.dumps(values, allow_nan=False)
    except ValueError as error:
        raise WrongInput("The values have a number that is none, such as NaN.") from error
    if "\\u0000" in text:
        raise WrongInput("The values have a NUL character, which no text can have.")


def is_for_people(found: DeploymentResponse) -> bool:
    """Whether a deployment orders work for a project."""
    schema = found.parameter_openapi_schema or {}
    return found.work_pool_name == PEOPLE and "project" in fields_of(schema)


def _same(run: FlowRun, parameters: dict[str, Any]) -> bool:
    return all(run.parameters.get(name) == value for name, value in parameters.items())


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return response.text[:300]


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    """Prefect's errors, said in our words."""
    try:
        yield
    except PrefectHTTPStatusError as error:
        if error.response.status_code >= 500:
            raise NotReachable("The Prefect server does not answer: ask again later.") from error
        raise WrongInput(f"The values are refused: {_reason(error.response)}") from error
    except (httpx.TransportError, OSError) as error:
        raise NotReachable("The Prefect server does not answer: ask again later.") from error
