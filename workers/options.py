"""The options of a warm worker, from `WARM_PROCESS_*`: they differ by machine, so the work pool cannot hold them."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


@dataclass(frozen=True)
class SlotSpec:
    """The name of a slot, and the variables that its process gets in addition to the worker's environment."""

    name: str
    environment: dict[str, str]


class WarmOptions(BaseSettings):
    """The options of one worker, read from the environment."""

    model_config = SettingsConfigDict(env_prefix="WARM_PROCESS_", extra="forbid")

    slots: str = Field(default="", description="`cpu:4`, or GPU indexes such as `0,1`; `cpu:<--limit>` if empty.")
    preload: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Modules to import and callables (`module:name`) to call in each new process."
    )
    report: str = Field(
        default="", description="`module:name` of a callable that returns the loaded models: {name: bytes}."
    )
    attempts: int = Field(
        default=1, ge=1, description="How often a run is started at most, if its process or worker dies."
    )
    cancel_grace_seconds: float = Field(
        default=30.0, ge=0, description="Grace period before the process of a cancelled run is killed."
    )
    drain_seconds: float = Field(default=8.0, ge=0, description="How long a stopping worker waits for its runs.")
    recycle_runs: int = Field(default=0, ge=0, description="Replace a process after so many runs; 0: never.")
    recycle_megabytes: int = Field(
        default=0, ge=0, description="Replace a process that uses more memory after a run; 0: never."
    )
    memory_megabytes: int = Field(
        default=0, ge=0, description="Kill a process that uses more memory during a run; 0: never."
    )
    watch_seconds: float = Field(
        default=1.0, gt=0, description="How often the server is polled for cancelled and suspended runs."
    )
    listen: bool = Field(default=True, description="Subscribe to events to start runs without delay; not for SQLite.")
    patience_seconds: float = Field(
        default=10.0, ge=0, description="How long runs with a loaded model are preferred at most."
    )
    model_tag: str = Field(default="model:", description="Prefix of the tag that names the model of a run.")
    model_parameters: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Dotted paths of parameters that name the model of a run, such as `request.model`."
    )
    share_tag: str = Field(default="user:", description="Prefix of the tag by which runs are grouped into fair shares.")
    status_file: Path | None = Field(
        default=None, description="File to which the status of the slots is written as JSON."
    )
    status_port: int = Field(default=0, ge=0, le=65535, description="Port for /metrics and /status; 0: none.")
    status_host: str = Field(default="127.0.0.1", description="Address on which the port listens.")
    status_token: SecretStr = Field(
        default=SecretStr(""), description="Bearer token that the port requires; empty: none."
    )
    artifact_seconds: float = Field(
        default=5.0,
        ge=0,
        description="How often the worker's artifact in Prefect's UI is updated; 0: it has none.",
    )
    machine: str = Field(default_factory=socket.gethostname, description="Name of this machine in infrastructure ids.")

    @field_validator("preload", "model_parameters", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    def slot_specs(self, limit: int | None) -> list[SlotSpec]:
        """Return the slots, at most `limit`. Raises ValueError if `slots` cannot be parsed."""
        return parse_slots(self.slots or f"cpu:{limit or 1}")[:limit]


def parse_slots(text: str) -> list[SlotSpec]:
    """Parse `cpu:2` as two slots without a GPU, `0,1` as one slot on each of these GPUs. Raises ValueError."""
    kind, _, count = text.partition(":")
    if kind == "cpu" and count.isdecimal() and int(count) > 0:
        return [SlotSpec(f"cpu-{number}", {"CUDA_VISIBLE_DEVICES": ""}) for number in range(int(count))]
    indexes = [index.strip() for index in text.removeprefix("gpu:").split(",")]
    if all(index.isdecimal() for index in indexes) and len(set(indexes)) == len(indexes):
        return [SlotSpec(f"gpu-{index}", {"CUDA_VISIBLE_DEVICES": index}) for index in indexes]
    raise ValueError(f"WARM_PROCESS_SLOTS says {text!r}: write cpu:<count>, or GPU indexes such as 0,1.")
