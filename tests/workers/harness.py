"""A Prefect server, work pools and worker processes for the tests of the warm worker."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil

from stack.processes import clean_environment, free_ports, stop_process
from stack.servers import postgres
from stack.servers import prefect as prefect_server
from tests.paths import ROOT
from tests.waiting import wait_for
from workers.shown.status import WorkerStatus, read_status
from workers.warm_process import WarmProcessWorker

DEPLOYED = Path(__file__).parent / "deployed"
"""The folder of the flows and models that the workers of the tests run."""
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
SELDOM_SECONDS = 20
"""How often a worker polls that is to be told by events."""
_PROFILE = """active = "tests"

[profiles.tests]
PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS = "2"
"""
"""The settings of the server. A run waits so long before it asks for a place under a limit again, not half a minute."""
STANDSTILL = 120
"""Seconds that a server on SQLite may say nothing: at times it stands still for a minute, see docs/warm-pools.md."""


_RETRIED = (httpx.codes.INTERNAL_SERVER_ERROR, httpx.codes.SERVICE_UNAVAILABLE)


class Server:
    """A Prefect server, its API spoken to as any client would."""

    def __init__(self, home: Path, database: str, port: int) -> None:
        self._home, self._database, self._port = home, database, port
        self.url = f"http://127.0.0.1:{port}/api"
        self.api = httpx.Client(base_url=self.url, timeout=STANDSTILL)

    def start(self) -> None:
        profiles = self._home / "data" / "prefect" / "profiles.toml"
        profiles.parent.mkdir(parents=True, exist_ok=True)
        profiles.write_text(_PROFILE, encoding="utf-8")
        prefect_server.start_server(self._home, self._home, database=self._database, port=self._port)

    def stop(self) -> None:
        stop_process(self._home, prefect_server.SERVER)

    def get(self, path: str, **query: Any) -> Any:
        return self._answer("GET", path, params=query)

    def post(self, path: str, **body: Any) -> Any:
        return self._answer("POST", path, json=body)

    def post_list(self, path: str, body: list[dict[str, Any]]) -> Any:
        return self._answer("POST", path, json=body)

    def _answer(self, method: str, path: str, **more: Any) -> Any:
        """Send a request; repeat it while the server is too busy or its database restarts, as Prefect's client does."""
        deadline = time.monotonic() + STANDSTILL
        while (answer := self.api.request(method, path, **more)).status_code in _RETRIED:
            assert time.monotonic() < deadline, "the server stayed too busy"
            time.sleep(0.5)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def environment(self) -> dict[str, str]:
        return {
            "PREFECT_HOME": str(self._home / "client"),
            "PREFECT_API_URL": self.url,
            # SQLite lets one write at a time: who asks five times a second keeps the others out.
            "PREFECT_WORKER_QUERY_SECONDS": "2" if self._database.startswith("sqlite") else "0.2",
            "PREFECT_WORKER_PREFETCH_SECONDS": "0",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.5",
            "DO_NOT_TRACK": "1",
            "OMP_NUM_THREADS": "1",
        }


@contextmanager
def own_server(home: Path, *, sqlite: bool = False) -> Generator[Server]:
    """A Prefect server on a Postgres of its own, or on SQLite; stopped at the end."""
    ports = free_ports(2)
    if sqlite:
        database = f"sqlite+aiosqlite:///{home}/prefect.db"
    else:
        password = secrets.token_hex(16)
        postgres.start_postgres(home, port=ports[0], password=password)
        database = postgres.dsn(ports[0], password, "prefect", "postgresql+asyncpg")
    server = Server(home, database, ports[1])
    try:
        server.start()
        yield server
    finally:
        server.stop()
        stop_process(home, postgres.NAME, postgres.STOP_SIGNAL)


class Pool:
    """A work pool with deployments of the flows for tests."""

    def __init__(self, server: Server, kind: str = "warm-process", template: dict[str, Any] | None = None) -> None:
        self.server = server
        self.kind = kind
        self.name = f"{kind}-{uuid4().hex[:8]}"
        template = template or WarmProcessWorker.get_default_base_job_template()
        server.post("/work_pools/", name=self.name, type=kind, base_job_template=template)
        self._deployments: dict[tuple[str, str, Path], str] = {}

    def deployment(self, flow: str, queue: str = "default", folder: Path = DEPLOYED, **more: Any) -> str:
        key = (flow, queue, folder)
        if key not in self._deployments or more:
            step = {"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}
            made = self.server.post(
                "/deployments/",
                name=uuid4().hex,
                flow_id=self.server.post("/flows/", name=flow)["id"],
                work_pool_name=self.name,
                work_queue_name=queue,
                entrypoint=f"flows_for_tests.{flow}",
                pull_steps=[step],
                enforce_parameter_schema=False,
                **more,
            )
            self._deployments[key] = made["id"]
        return self._deployments[key]

    def start(
        self,
        flow: str,
        *,
        queue: str = "default",
        folder: Path = DEPLOYED,
        tags: tuple[str, ...] = (),
        variables: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> str:
        """Create a flow run; its id."""
        run = self.server.post(
            f"/deployments/{self.deployment(flow, queue, folder)}/create_flow_run",
            parameters={name: str(one) if isinstance(one, Path) else one for name, one in parameters.items()},
            job_variables=variables or {},
            tags=list(tags),
        )
        return str(run["id"])

    def start_many(self, flow: str, runs: list[dict[str, Any]], *, tags: tuple[str, ...] = ()) -> None:
        """Create flow runs with these parameters, a hundred with each request."""
        for first in range(0, len(runs), 100):
            orders = [{"parameters": parameters, "tags": list(tags)} for parameters in runs[first : first + 100]]
            answer = self.server.post_list(f"/deployments/{self.deployment(flow)}/create_flow_run/bulk", orders)
            assert {one["status"] for one in answer["results"]} == {"CREATED"}

    def read(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.server.get(f"/flow_runs/{run}")
        return found

    def state(self, run: str) -> str:
        return str(self.read(run)["state"]["type"])

    def message(self, run: str) -> str:
        return str(self.read(run)["state"]["message"])

    def history(self, run: str) -> list[str]:
        """The state types that the run went through, in order."""
        states = self.server.get("/flow_run_states/", flow_run_id=run)
        return [state["type"] for state in sorted(states, key=lambda state: state["timestamp"])]

    def end(self, run: str, seconds: float = 60) -> str:
        """The final state, waited for."""
        wait_for(lambda: self.state(run) in FINAL, seconds, f"run {run} to end")
        return self.state(run)

    def cancel(self, run: str) -> None:
        self.server.post(f"/flow_runs/{run}/set_state", state={"type": "CANCELLING"}, force=False)


class Worker:
    """A worker process."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process, self.folder = process, folder

    def children(self) -> list[int]:
        """The processes of the slots: those of the fork server, the one child of the worker."""
        return [one.pid for server in psutil.Process(self.process.pid).children() for one in server.children()]

    def status(self) -> WorkerStatus:
        found = read_status(self.folder / "status.json")
        assert found is not None
        return found

    def ready(self) -> bool:
        found = read_status(self.folder / "status.json")
        return found is not None and all(slot.ready for slot in found.slots)

    def told(self) -> list[str]:
        """What the hooks of the flows told."""
        return lines(self.folder / "told")


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def wait_until_begun(path: Path) -> None:
    """Wait until the flow that tells this file has begun."""
    wait_for(lambda: bool(lines(path)), 60, f"the flow of {path.name}")


def release(path: Path) -> None:
    """Let the flow `hold` of this file go on."""
    Path(f"{path}.released").touch()


@contextmanager
def running_worker(pool: Pool, folder: Path, *, query_seconds: str | None = None, **options: str) -> Generator[Worker]:
    """`prefect worker start`, ready to take runs; stopped politely at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "status.json").unlink(missing_ok=True)
    extra = {f"WARM_PROCESS_{key.upper()}": value for key, value in options.items()}
    known = {
        "WARM_PROCESS_STATUS_FILE": str(folder / "status.json"),
        "TOLD": str(folder / "told"),
        "PYTHONPATH": f"{DEPLOYED}{os.pathsep}{ROOT}",
    }
    if query_seconds:
        known["PREFECT_WORKER_QUERY_SECONDS"] = query_seconds
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool.name, "--type", pool.kind]
    with (folder / "worker.log").open("ab") as output:
        process = subprocess.Popen(
            [*command, "--name", f"worker-{pool.name}"],
            env=clean_environment(pool.server.environment() | known | extra),
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
    worker = Worker(process, folder)
    try:
        if pool.kind == "warm-process":
            wait_for(worker.ready, 90, f"the worker, see {folder}/worker.log")
        yield worker
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
