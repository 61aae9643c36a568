"""The work of the killed processes, and the state of a project to compare."""

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
from tests.faults.crash_points import CrashPoint, CrashTrap, FaultPlatform

_TIMES = {"created", "made", "rejected", "seconds", "write"}


def run_inbox(
    settings: Settings, write_log: Path, point: CrashPoint | None, project: str, barrier: Barrier | None = None
) -> None:
    """Drain the inbox of a project on a platform with a crash point, after all processes reached the barrier."""
    context = local_context(FaultPlatform(settings, CrashTrap(write_log, point)).space(project))
    if barrier is not None:
        barrier.wait(60)
    asyncio.run(drain_inbox(context, Inbox(prefix=f"inbox/{project}/", project=project)))


def store_large_file(settings: Settings, write_log: Path, point: CrashPoint | None, project: str) -> None:
    """Store one large file, which takes the multipart write path."""
    space = FaultPlatform(settings, CrashTrap(write_log, point)).space(project)
    store_file(space, write_log.with_name("large.wav"), "large.wav")


def project_state(platform: Platform, project: str) -> dict[str, Any]:
    """Return everything stored of a project, without timestamps and its name, so that two projects can be compared."""
    bucket = platform.bucket
    platform.index.ensure_schema()  # nothing may have been indexed yet
    prefixes = (f"{project}/", f"inbox/{project}/", f"quarantine/{project}/")
    objects = {found.key: bucket.get(found.key) for prefix in prefixes for found in bucket.objects(prefix)}
    found: dict[str, Any] = {
        key.replace(project, "P"): _content(key, data.replace(project.encode(), b"P")) for key, data in objects.items()
    }
    with psycopg.connect(platform.settings.postgres_dsn.get_secret_value()) as connection:
        rows = connection.execute(
            "select kind, artifact, ordinal, name, body, start_seconds, end_seconds, labels from parts "
            "where project = %s order by kind, artifact, ordinal",
            [project],
        ).fetchall()
        listed = connection.execute(
            "select to_jsonb(artifacts) from artifacts where project = %s order by artifact", [project]
        ).fetchall()
    found["index"] = rows
    hidden = _TIMES | {"project"}
    found["library"] = [{name: value for name, value in row.items() if name not in hidden} for (row,) in listed]
    return found


def _content(key: str, data: bytes) -> Any:
    if not key.endswith(".json"):
        return hashlib.sha256(data).hexdigest()
    return _without_times(json.loads(data))


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_times(inner) for name, inner in value.items() if name not in _TIMES}
    return [_without_times(inner) for inner in value] if isinstance(value, list) else value
