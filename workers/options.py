"""What a warm worker is told by its environment, `WARM_PROCESS_*`: a pool cannot know how many GPUs a machine has."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


@dataclass(frozen=True)
class SlotSpec:
    """One place for one run at a time, and what its process finds in its environment."""

    name: str
    environment: dict[str, str]


class WarmOptions(BaseSettings):
    """The options of one worker."""

    model_config = SettingsConfigDict(env_prefix="WARM_PROCESS_", extra="forbid")

    slots: str = Field(default="", description="`cpu:4`, or GPU indexes such as `0,1`; `cpu:<--limit>` if empty.")
    preload: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Modules to import and callables (`module:name`) to call in each new process."
    )
    report: str = Field(
        default="", description="`module:name` of a callable that tells the loaded models: {name: bytes}."
    )
    attempts: int = Field(
        default=1, ge=1, description="How often a run whose process or worker dies is begun, at most."
    )
    cancel_grace_seconds: float = Field(default=30.0, ge=0, description="Then a flow that does not yield is killed.")
    drain_seconds: float = Field(default=8.0, ge=0, description="How long a stopping worker waits for its runs.")
    recycle_runs: int = Field(default=0, ge=0, description="A process is replaced after so many runs; 0: never.")
    recycle_megabytes: int = Field(default=0, ge=0, description="… or when it holds more memory after a run; 0: never.")
    memory_megabytes: int = Field(default=0, ge=0, description="… or at once, with its run, past this; 0: never.")
    watch_seconds: float = Field(default=1.0, gt=0, description="How often runs in hand are looked up for a cancel.")
    listen: bool = Field(default=True, description="Look for runs when the server tells of one; not for SQLite.")
    patience_seconds: float = Field(default=10.0, ge=0, description="How long loaded models may go ahead of others.")
    model_tag: str = Field(default="model:", description="A tag with this prefix names the model of a run …")
    model_parameters: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="… and so does the first of these parameters, dotted: `request.model`."
    )
    share_tag: str = Field(default="user:", description="Runs with equal tags of this prefix share one fair turn.")
    status_file: Path | None = Field(default=None, description="Where the state of the slots is kept as JSON.")
    status_port: int = Field(default=0, ge=0, le=65535, description="Port for /metrics and /status; 0: none.")
    status_host: str = Field(default="127.0.0.1", description="Where the port listens.")
    status_token: SecretStr = Field(default=SecretStr(""), description="Only who bears it is told; empty: everybody.")
    artifact_seconds: float = Field(
        default=5.0,
        ge=0,
        description="How often the worker's artifact in Prefect's UI is renewed; 0: never.",
    )
    machine: str = Field(default_factory=socket.gethostname, description="Name of this machine in infrastructure ids.")

    @field_validator("preload", "model_parameters", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    def slot_specs(self, limit: int | None) -> list[SlotSpec]:
        """The slots, at most `limit`. Raises ValueError for a text that names none."""
        return parse_slots(self.slots or f"cpu:{limit or 1}")[:limit]


def parse_slots(text: str) -> list[SlotSpec]:
    """`cpu:2` is two slots that see no GPU; `0,1` is one slot on each of these GPUs."""
    kind, _, count = text.partition(":")
    if kind == "cpu" and count.isdecimal() and int(count) > 0:
        return [SlotSpec(f"cpu-{number}", {"CUDA_VISIBLE_DEVICES": ""}) for number in range(int(count))]
    indexes = [index.strip() for index in text.removeprefix("gpu:").split(",")]
    if all(index.isdecimal() for index in indexes) and len(set(indexes)) == len(indexes):
        return [SlotSpec(f"gpu-{index}", {"CUDA_VISIBLE_DEVICES": index}) for index in indexes]
    raise ValueError(f"WARM_PROCESS_SLOTS says {text!r}: write cpu:<count>, or GPU indexes such as 0,1.")
