"""The job: what the gateway reports of a flow run, and how a run is read as one."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, StateType
from pydantic import BaseModel, Field

from flows.running.prefect_runs import REFUSED_STATE

JobState = Literal["queued", "running", "waiting", "cancelling", "completed", "failed", "refused", "cancelled"]
_STATES: dict[StateType, JobState] = {
    StateType.SCHEDULED: "queued",
    StateType.PENDING: "queued",
    StateType.RUNNING: "running",
    StateType.PAUSED: "waiting",
    StateType.CANCELLING: "cancelling",
    StateType.CANCELLED: "cancelled",
    StateType.COMPLETED: "completed",
    StateType.FAILED: "failed",
    StateType.CRASHED: "failed",
}
FINAL: frozenset[JobState] = frozenset({"completed", "failed", "refused", "cancelled"})
PROJECT_TAG = "project:"
"""Prefix of the run tag that names the job's project; `PERSON_TAG` is the prefix of the tag with the person's name."""


class Job(BaseModel):
    """A job and its state; `waiting` needs a person's input, `refused` a changed request."""

    id: UUID
    name: str
    deployment: str
    project: str
    by: str | None
    state: JobState
    position: int | None = Field(description="1 starts next; null unless the job is queued.")
    estimate_seconds: float | None = Field(
        description="Estimated seconds until the job ends, from the durations of recent runs."
    )
    progress: float = Field(ge=0, le=1)
    message: str | None
    created: datetime | None
    started: datetime | None
    ended: datetime | None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


def state_of(run: FlowRun) -> JobState:
    """Map the run's Prefect state to a job state."""
    if run.state is None:
        return "queued"
    return "refused" if run.state.name == REFUSED_STATE else _STATES[run.state.type]


def project_of(run: FlowRun) -> str:
    """Return the project in the run's parameters, which is where the run works, whatever its tags say."""
    forms: list[Any] = [run.parameters or {}, *(run.parameters or {}).values()]
    named = (str(form["project"]) for form in forms if isinstance(form, dict) and "project" in form)
    return next(named, "default")


def tag_value(run: FlowRun, prefix: str) -> str | None:
    """Return the rest of the run's first tag with this prefix."""
    return next((tag.removeprefix(prefix) for tag in run.tags if tag.startswith(prefix)), None)
