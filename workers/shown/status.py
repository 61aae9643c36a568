"""The status of a worker as a document, and the file that holds it."""

from pathlib import Path

from pydantic import BaseModel


class SlotStatus(BaseModel):
    """The status of a slot. `reloads` counts loads of a model that the slot had loaded before, `restarts` processes."""

    slot: str
    pid: int
    ready: bool
    flow_run_id: str | None
    runs_done: int
    reloads: int
    restarts: int
    resident_bytes: int
    models: dict[str, int]
    problem: str | None


class WorkerStatus(BaseModel):
    """The status of a worker: its slots, and the number of waiting runs and the age of the oldest at the last poll."""

    worker: str
    pool: str
    waiting_runs: int
    queue_age_seconds: float
    slots: list[SlotStatus]


def write_status(path: Path, status: WorkerStatus) -> None:
    """Write the file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(status.model_dump_json(indent=1), encoding="utf-8")
    fresh.replace(path)


def read_status(path: Path) -> WorkerStatus | None:
    """Read the file; None if there is none, or if it is no status document."""
    try:
        return WorkerStatus.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
