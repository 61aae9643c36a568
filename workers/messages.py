"""The protocol between the worker and its child processes: one JSON document per line over a socket pair."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

MAX_LINE_BYTES = 64 * 2**20
"""Upper bound of a line; Prefect itself limits parameters to 512 KB."""
MAX_ENVIRONMENT_BYTES = 2**20
"""Upper bound of the environment variables of a process, as JSON."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunFlow(_Message):
    """Command: execute this flow run, or with `hooks` only the hooks of a run whose process died."""

    kind: Literal["run"] = "run"
    flow_run: dict[str, Any]
    deployment: dict[str, Any] | None
    environment: dict[str, str]
    working_dir: str | None = None
    hooks: Literal["none", "cancellation", "crashed"] = "none"


class Cancel(_Message):
    """Command: cancel the current run. Without CancelAccepted as the reply, the engine could not be interrupted yet."""

    kind: Literal["cancel"] = "cancel"
    flow_run_id: str


class Suspend(_Message):
    """Command: suspend the current run, because its state at the server is now `state`."""

    kind: Literal["suspend"] = "suspend"
    flow_run_id: str
    state: dict[str, Any]


class Stop(_Message):
    """Command: exit after the current run."""

    kind: Literal["stop"] = "stop"


class Ready(_Message):
    """Reply: the process accepts runs; `problem` says what it could not preload."""

    kind: Literal["ready"] = "ready"
    problem: str | None = None


class LoadedModels(_Message):
    """Reply: the models that are loaded now, with their sizes in bytes; sent when they change."""

    kind: Literal["loaded_models"] = "loaded_models"
    models: dict[str, int]


class CancelAccepted(_Message):
    """Reply: the engine was interrupted and ends the run as cancelled."""

    kind: Literal["cancel_accepted"] = "cancel_accepted"
    flow_run_id: str


class Stale(_Message):
    """Reply: the run was not started, because source code changed after this process imported it."""

    kind: Literal["stale"] = "stale"
    flow_run_id: str
    reason: str


class Done(_Message):
    """Reply: the process has finished with the run.

    `ended`: the run is in a final state. `cancelled`: the run was interrupted by a Cancel. `open`: the engine returned
    before a final state. `broken`: the engine raised, for the reason in `problem`.
    """

    kind: Literal["done"] = "done"
    flow_run_id: str
    outcome: Literal["ended", "cancelled", "open", "broken"]
    problem: str | None = None


Command = Annotated[RunFlow | Cancel | Suspend | Stop, Field(discriminator="kind")]
Reply = Annotated[Ready | LoadedModels | CancelAccepted | Stale | Done, Field(discriminator="kind")]

_commands: TypeAdapter[Command] = TypeAdapter(Command)
_replies: TypeAdapter[Reply] = TypeAdapter(Reply)


def encode(message: BaseModel) -> bytes:
    """Encode a message as one line."""
    return message.model_dump_json().encode() + b"\n"


def parse_command(line: bytes) -> RunFlow | Cancel | Suspend | Stop:
    """Decode a line that the worker sent."""
    return _commands.validate_json(line)


def parse_reply(line: bytes) -> Ready | LoadedModels | CancelAccepted | Stale | Done:
    """Decode a line that a child process sent."""
    return _replies.validate_json(line)
