"""/api/jobs: start a deployment as a job, read its state, position, progress and result, follow and cancel it."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse

from flows.running.errors import EXPECTED
from gateway.errors import GatewayError
from gateway.http.access import Maker, Viewer
from gateway.http.body_limits import body_limit
from gateway.http.jobs.job import Job
from gateway.http.jobs.run_parameters import is_public
from gateway.http.problems import Problem

router = APIRouter(prefix="/api", tags=["Jobs"])
_PING_SECONDS = 15


class Order(BaseModel):
    """The deployment to run, and the values of its parameters."""

    model_config = ConfigDict(extra="forbid")

    deployment: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$", examples=["generate-images"])
    parameters: dict[str, Any] = Field(
        default={}, examples=[{"prompt": "pine tree", "count": 2}], description="Fields of the form, by name."
    )


class Offer(BaseModel):
    """A deployment that can be run; `parameters` is a JSON schema."""

    name: str
    description: str | None
    parameters: dict[str, Any]


@router.get("/deployments")
async def list_deployments(caller: Viewer) -> list[Offer]:
    """List the deployments that can be run."""
    return [
        Offer(name=each.name, description=each.description, parameters=each.parameter_openapi_schema or {})
        for each in await caller.services.jobs.deployments()
        if is_public(each)
    ]


@router.post("/jobs", status_code=202)
@body_limit(4_000_000)
async def submit_job(
    caller: Maker,
    order: Order,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=200, description="Requests with the same key start one job.")
    ] = None,
) -> Job:
    """Run a deployment. 429 with Retry-After when the queue is too long."""
    return await caller.services.jobs.submit(
        caller.person, caller.project, order.deployment, order.parameters, key=idempotency_key
    )


@router.get("/jobs")
async def list_jobs(
    caller: Viewer,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> list[Job]:
    """List the jobs that were started through the gateway, newest first."""
    return await caller.services.jobs.list_newest(caller.project, limit=limit, offset=offset)


@router.get("/jobs/{job}")
async def show_job(caller: Viewer, job: UUID) -> Job:
    """The state of a job."""
    return await caller.services.jobs.get(caller.project, job)


@router.get("/jobs/{job}/result")
async def show_result(caller: Viewer, job: UUID) -> dict[str, Any]:
    """The report of a completed job. 422 with the reason if it was refused, 502 if it failed."""
    found = await caller.services.jobs.get(caller.project, job)
    return await caller.services.jobs.result(caller.project, found)


@router.get(
    "/jobs/{job}/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_job(caller: Viewer, job: UUID) -> Response:
    """Server-sent events: `job` at each change, the last one when the job is final; or `error` with the reason."""
    await caller.services.jobs.get(caller.project, job)
    states = caller.services.jobs.follow(caller.project, job)

    async def events() -> AsyncIterator[dict[str, str]]:
        try:
            async for state in states:
                yield {"event": "job", "data": state.model_dump_json()}
        except (*EXPECTED, GatewayError) as error:
            yield {"event": "error", "data": Problem(error=str(error)).model_dump_json()}

    return EventSourceResponse(events(), ping=_PING_SECONDS)


@router.post("/jobs/{job}/cancel")
async def cancel_job(caller: Maker, job: UUID) -> Job:
    """Cancel a job; a final job is left as it is."""
    return await caller.services.jobs.cancel(caller.project, job)
