"""What the processes of these tests do, and the state that they leave."""

import asyncio
import hashlib
import json
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import psycopg

from flows.ingest import store_file
from flows.process_inbox import Inbox, drain_inbox
from flows.running.context import local_context
from flows.running.platform import Platform
from flows.running.settings import Settings
from tests.faults.crash_points import CrashPoint, Trap, TrappedPlatform

_TIMES = {"created", "rejected", "seconds", "write"}


def take_in_the_inbox(
    settings: Settings, notes: Path, point: CrashPoint | None, project: str, together: Barrier | None = None
) -> None:
    """One run of the inbox of a project, on a platform with a trap; it waits for the others of `together`."""
    context = local_context(TrappedPlatform(settings, Trap(notes, point)).space(project))
    if together is not None:
        together.wait(60)
    asyncio.run(drain_inbox(context, Inbox(prefix=f"inbox/{project}/", project=project)))


def store_one(settings: Settings, notes: Path, point: CrashPoint | None, project: str) -> None:
    """One large file through the write path."""
    space = TrappedPlatform(settings, Trap(notes, point)).space(project)
    store_file(space, notes.with_name("large.wav"), "large.wav")


def state(platform: Platform, project: str) -> dict[str, Any]:
    """Everything that is kept of a project, less timestamps; its name is left out, so that two can be compared."""
    bucket = platform.bucket
    prefixes = (f"{project}/", f"inbox/{project}/", f"quarantine/{project}/")
    kept = {found.key: bucket.get(found.key) for prefix in prefixes for found in bucket.objects(prefix)}
    found: dict[str, Any] = {
        key.replace(project, "P"): _content(key, data.replace(project.encode(), b"P")) for key, data in kept.items()
    }
    with psycopg.connect(platform.settings.postgres_dsn.get_secret_value()) as connection:
        rows = connection.execute(
            "select kind, artifact, ordinal, name, body, start_seconds, end_seconds, labels from parts "
            "where project = %s order by kind, artifact, ordinal",
            [project],
        ).fetchall()
        listed = connection.execute(
            "select to_jsonb(artifacts) from artifacts where project = %s order by 1", [project]
        ).fetchall()
    found["index"] = rows
    hidden = _TIMES | {"project"}
    found["library"] = [{name: value for name, value in row.items() if name not in hidden} for (row,) in listed]
    return found


def _content(key: str, data: bytes) -> Any:
    if not key.endswith(".json"):
        return hashlib.sha256(data).hexdigest()
    return _timeless(json.loads(data))


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(inner) for name, inner in value.items() if name not in _TIMES}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value
