"""What the worker and its processes say to each other: one JSON document a line, over a socket pair."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

LINE_BYTES = 64 * 2**20
"""The longest line; Prefect's own bound on parameters is 512 KB."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunFlow(_Message):
    """Run this flow run; `hooks` instead: only run the hooks of a run whose process is gone."""

    kind: Literal["run"] = "run"
    flow_run: dict[str, Any]
    deployment: dict[str, Any] | None
    environment: dict[str, str]
    working_dir: str | None = None
    hooks: Literal["none", "cancellation", "crashed"] = "none"


class Cancel(_Message):
    """End the run in hand as cancelled, if the engine listens by now; ask again otherwise."""

    kind: Literal["cancel"] = "cancel"
    flow_run_id: str


class Suspend(_Message):
    """The run in hand was suspended from outside; `state` is the server's."""

    kind: Literal["suspend"] = "suspend"
    flow_run_id: str
    state: dict[str, Any]


class Stop(_Message):
    """End after the run in hand."""

    kind: Literal["stop"] = "stop"


class Ready(_Message):
    """The process is there; what it could not preload is in `problem`."""

    kind: Literal["ready"] = "ready"
    problem: str | None = None


class Holds(_Message):
    """The models in the memory of the process have changed: these are loaded now, with their bytes."""

    kind: Literal["holds"] = "holds"
    models: dict[str, int]


class Accepted(_Message):
    """The cancel reached the engine: the run ends as cancelled."""

    kind: Literal["accepted"] = "accepted"
    flow_run_id: str


class Stale(_Message):
    """The run was not begun: this process holds code that has changed since, and must be replaced first."""

    kind: Literal["stale"] = "stale"
    flow_run_id: str
    reason: str


class Done(_Message):
    """The run is over here.

    `ended`: in a final state. `open`: not in one, as far as this process knows. `broken`: for the reason in `problem`.
    """

    kind: Literal["done"] = "done"
    flow_run_id: str
    outcome: Literal["ended", "cancelled", "open", "broken"]
    problem: str | None = None


Order = Annotated[RunFlow | Cancel | Suspend | Stop, Field(discriminator="kind")]
Answer = Annotated[Ready | Holds | Accepted | Stale | Done, Field(discriminator="kind")]

_orders: TypeAdapter[Order] = TypeAdapter(Order)
_answers: TypeAdapter[Answer] = TypeAdapter(Answer)


def to_line(message: BaseModel) -> bytes:
    """One message as a line."""
    return message.model_dump_json().encode() + b"\n"


def read_order(line: bytes) -> RunFlow | Cancel | Suspend | Stop:
    """What the worker asks of a process."""
    return _orders.validate_json(line)


def read_answer(line: bytes) -> Ready | Holds | Accepted | Stale | Done:
    """What a process answers."""
    return _answers.validate_json(line)
