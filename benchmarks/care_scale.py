"""The care of a project at a size: seconds and peak memory of verify, gc, retain and two backups over many records.

Starts an S3 server and a Postgres of its own, makes the records (each a small file of unknown kind), and runs each in a
process of its own. The second backup has a hundredth more records to copy. Run from the checkout:

    python -m benchmarks.care_scale 200000
"""

import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from flows.care.collect_garbage import Collection, collect_garbage
from flows.care.retain import apply_retention
from flows.care.verify import Inspection, verify_project
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform, Space
from flows.running.settings import load_settings
from stack import lifecycle
from storage.care.backup import back_up
from storage.care.bucket_format import migrate
from storage.care.object_store import FolderStore
from storage.records import ArtifactRecord

_PROJECT = "care"
_WRITERS = 16
_BACKUP = "backup"
_HUNDREDTH = 100


def main(records: int) -> None:
    """Fill, run each, and stop the servers."""
    with tempfile.TemporaryDirectory(prefix="triptych-bench-") as folder:
        home = Path(folder)
        home.chmod(0o711)  # the embedded Postgres runs as another user
        lifecycle.up(home, storage_only=True)
        try:
            _measure("fill", records, _in_process(home, _fill, 0, records))
            for name, work in (("verify", _verify), ("gc", _gc), ("retain", _retain), ("backup", _back_up)):
                _measure(name, records, _in_process(home, work))
            more = max(records // _HUNDREDTH, 1)
            _in_process(home, _fill, records, more)
            _measure("backup again", records + more, _in_process(home, _back_up))
        finally:
            lifecycle.down(home)


def _measure(name: str, records: int, found: tuple[float, int, str]) -> None:
    seconds, megabytes, said = found
    print(f"{name:12} {seconds:7.1f} s, {seconds / records * 100_000:7.0f} s/100,000, peak {megabytes} MB  {said}")


def _in_process(home: Path, work: Callable[..., str], *values: int) -> tuple[float, int, str]:
    """Seconds, peak resident memory in MB, and what a function says that runs in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_timed, (home, work, *values))


def _timed(home: Path, work: Callable[..., str], *values: int) -> tuple[float, int, str]:
    context = local_context(Platform(load_settings(home)).space(_PROJECT))
    started = time.perf_counter()
    said = work(context, *values)
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000, said


def _fill(context: RunContext, first: int, count: int) -> str:
    migrate(context.space.platform.bucket)
    with ThreadPoolExecutor(_WRITERS) as threads:
        list(threads.map(partial(_add, context.space), range(first, first + count)))
    return ""


def _add(space: Space, number: int) -> None:
    artifact = space.store.put(f"Record {number}.".encode(), "application/octet-stream")
    created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    name = f"record-{number}.bin"
    space.records.add(ArtifactRecord(artifact=artifact, project=_PROJECT, name=name, created=created))


def _verify(context: RunContext) -> str:
    return str(asyncio.run(verify_project(context, Inspection(project=_PROJECT))))


def _gc(context: RunContext) -> str:
    collection = Collection(project=_PROJECT)
    return str(asyncio.run(collect_garbage(context, collection, delete=True, in_use=frozenset())))


def _retain(context: RunContext) -> str:
    return str(asyncio.run(apply_retention(context, delete=False)))


def _back_up(context: RunContext) -> str:
    settings = context.space.platform.settings
    return str(back_up(context.space.platform.bucket, FolderStore(settings.home / _BACKUP)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
