"""A job: a run of a deployment, as the gateway tells of it."""

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
OF = "project:"
"""What the tag of a job begins with that names its project; `PERSON_TAG` is that of the one who asked for it."""


class Job(BaseModel):
    """A job and how it stands; `waiting` waits for a person's answer, `refused` needs another order."""

    id: UUID
    name: str
    deployment: str
    project: str
    by: str | None
    state: JobState
    position: int | None = Field(description="1 is the next to start; none when it does not wait.")
    estimate_seconds: float | None = Field(description="Until it is done, as far as earlier runs tell.")
    progress: float = Field(ge=0, le=1)
    message: str | None
    created: datetime | None
    started: datetime | None
    ended: datetime | None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


def state_of(run: FlowRun) -> JobState:
    """Prefect's state in our words."""
    if run.state is None:
        return "queued"
    return "refused" if run.state.name == REFUSED_STATE else _STATES[run.state.type]


def project_of(run: FlowRun) -> str:
    """The project that a run works in: as its form says, whoever started it."""
    return project_in(run.parameters or {}) or "default"


def project_in(values: dict[str, Any]) -> str | None:
    """The project that a deployment's values name, at the top or inside a form."""
    forms: list[Any] = [values, *values.values()]
    return next((str(form["project"]) for form in forms if isinstance(form, dict) and "project" in form), None)


def tagged(run: FlowRun, prefix: str) -> str | None:
    """What a run's tag of this kind says."""
    return next((tag.removeprefix(prefix) for tag in run.tags if tag.startswith(prefix)), None)
