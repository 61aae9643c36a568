"""Work pools and worker processes for the tests of the warm worker."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from stack.processes import clean_environment
from tests.paths import ROOT
from tests.waiting import wait_for
from tests.workers.harness.server import Server
from workers.shown.status import WorkerStatus, read_status
from workers.warm_process import WarmProcessWorker

DEPLOYED = Path(__file__).parents[1] / "deployed"
"""The folder of the flows and models that the workers of the tests run."""
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
SELDOM_SECONDS = 20
"""How often a worker polls that is to be told by events."""


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
