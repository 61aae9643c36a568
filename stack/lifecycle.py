"""Start, stop and inspect the embedded stack: S3, Postgres, Prefect and the workers on this machine."""

import sys
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from os import environ
from pathlib import Path

from pydantic import BaseModel

from flows.care.migration import migrate_bucket
from flows.running.platform import Platform
from flows.running.prefect_api import api_of
from flows.running.settings import ROOT, default_home, stack_file
from stack.home_file import load_or_create, read_stack_file
from stack.parts import PARTS, Home, Report, ensure_started, local_parts, open_home
from stack.processes import clean_environment, running_process, start_process, stop_process
from stack.servers import gateway, postgres, prefect, seaweed, workers
from stack.servers.zombie_trainings import ensure_automation
from workers.shown.status import WorkerStatus, read_status

SUPERVISOR = "supervisor"
"""The name of the process that restarts parts: stack/supervisor.py."""
_WORKERS = (*workers.WORKERS, workers.TRAINER)


class PartStatus(BaseModel):
    """Whether a server or worker runs here, and its pid."""

    name: str
    running: bool
    pid: int | None


class StackStatus(BaseModel):
    """The URLs of the stack, and the status of its parts and workers."""

    home: str
    prefect: str | None
    s3: str | None
    gateway: str | None
    parts: list[PartStatus]
    workers: list[WorkerStatus]

    @property
    def running(self) -> bool:
        return all(part.running for part in self.parts)


def up(home: Path | None = None, *, report: Report = lambda _: None, storage_only: bool = False) -> StackStatus:
    """Start the parts that do not run and wait until they answer. Data of an earlier `up` is kept."""
    path = (home or default_home()).absolute()
    path.mkdir(parents=True, exist_ok=True)
    with _home_lock(path):
        load_or_create(path)
        opened = open_home(path)
        _start(opened, (seaweed.NAME, postgres.NAME), report)
        migrate_bucket(Platform(opened.settings), report)
        if not storage_only:
            # The gateway waits for Prefect by itself.
            _start(opened, (prefect.SERVER, gateway.NAME), report)
            _start_workers(opened, report)
            _start_supervisor(path)
    return status(path)


def down(home: Path | None = None, *, report: Report = lambda _: None) -> None:
    """Stop everything that `up` started, in reverse order. Data is kept."""
    path = (home or default_home()).absolute()
    if not stack_file(path).exists():
        return
    with _home_lock(path):
        # The supervisor goes first, without its children: those are parts, which are stopped one by one below.
        if running_process(path, SUPERVISOR):
            report(f"stopping {SUPERVISOR}")
        stop_process(path, SUPERVISOR, alone=True)
        for part in reversed(list(PARTS.values())):
            if running_process(path, part.name):
                report(f"stopping {part.name}")
            stop_process(path, part.name, part.stop_signal)


def status(home: Path | None = None) -> StackStatus:
    """Return the status and URLs of the stack."""
    path = (home or default_home()).absolute()
    parts = local_parts(path)
    names = [*(part.name for part in parts), *([SUPERVISOR] if parts else [])]
    values = read_stack_file(path) | dict(environ)
    s3 = values.get("TRIPTYCH_S3_ENDPOINT")
    return StackStatus(
        home=str(path),
        prefect=(values.get("TRIPTYCH_PREFECT_API_URL") or "").removesuffix("/api") or None,
        s3=f"http://{s3}" if s3 else None,
        gateway=values.get("TRIPTYCH_GATEWAY_URL"),
        parts=[_part_status(path, name) for name in names],
        workers=[found for name in workers.WORKERS if (found := _worker_status(path, name))],
    )


def _part_status(path: Path, name: str) -> PartStatus:
    process = running_process(path, name)
    return PartStatus(name=name, running=process is not None, pid=process.pid if process else None)


def _worker_status(path: Path, name: str) -> WorkerStatus | None:
    return read_status(workers.status_file(path, name)) if running_process(path, name) else None


def _start(home: Home, names: Iterable[str], report: Report) -> None:
    """Start parts that do not depend on each other, in parallel."""
    with ThreadPoolExecutor() as threads:
        for started in [threads.submit(ensure_started, home, PARTS[name], report) for name in names]:
            started.result()


def _start_workers(home: Home, report: Report) -> None:
    # An `up` that was interrupted may have started workers, and not deployed.
    if all(running_process(home.path, name) for name in _WORKERS) and prefect.was_deployed(home.path):
        return
    api = api_of(home.settings)
    report("preparing pools and deployments")
    prefect.prepare_pools(api)
    ensure_automation(api)
    with ThreadPoolExecutor() as threads:
        deployed = threads.submit(prefect.deploy, home.path, ROOT, api)
        # Runs may wait for an older deployment, which workers must not begin; on a new server none do.
        if PARTS[prefect.SERVER].replaced or prefect.was_deployed(home.path):
            deployed.result()
        _start(home, _WORKERS, report)
        workers.wait_for_workers(home.path, api)
        deployed.result()


def _start_supervisor(path: Path) -> None:
    if running_process(path, SUPERVISOR) is None:
        command = [sys.executable, "-m", "stack.supervisor", str(path)]
        start_process(path, SUPERVISOR, command, clean_environment({"TRIPTYCH_HOME": str(path)}), ROOT)


@contextmanager
def _home_lock(path: Path) -> Generator[None]:
    """Serialize `up` and `down` of a home by a file lock."""
    with (path / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield
