"""Start latency of flow runs: Prefect's `process` pools beside our `warm-process` pool.

    .venv/bin/python -m benchmarks.warm.start --runs 50 --default-runs 50

Starts a Postgres, a Prefect server and three workers of its own, and stops them. The measurements are
interleaved (default, tuned, warm, default, …), one run at a time, so that other load affects all pools alike. The first
run of each pool is not counted: it waits for the worker to start.
"""

import argparse
import math
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from prefect.workers.process import ProcessWorker
from rich.console import Console
from rich.table import Table

from stack.processes import clean_environment, free_ports, last_log_line, running_process, start_process, stop_process
from stack.servers import postgres
from stack.servers import prefect as prefect_server
from workers.warm_process import WarmProcessWorker

FLOW = """\
import time
from pathlib import Path

from prefect import flow


@flow
async def first_line(path: str) -> None:
    now = time.time()
    Path(path).write_text(str(now))
"""
"""The timed flow, in a module of its own without the imports of this file."""

QUICK = {"PREFECT_WORKER_QUERY_SECONDS": "0.2", "PREFECT_WORKER_PREFETCH_SECONDS": "0"}
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_WAIT_SECONDS = 180.0
_GOLDEN = (math.sqrt(5) - 1) / 2


class Pool:
    """A work pool with one deployment and one worker, and the start latencies of its runs in seconds."""

    def __init__(self, home: Path, api: httpx.Client, name: str, kind: type, settings: dict[str, str]) -> None:
        self.home, self.api, self.name, self.kind = home, api, name, kind
        self.settings = settings
        self.query_seconds = float(settings.get("PREFECT_WORKER_QUERY_SECONDS", "10"))
        self.seconds: list[float] = []
        self._deployment = self._deploy()
        self._runs = 0

    def start(self) -> None:
        """Start the worker with Prefect's defaults and `settings`."""
        known = {
            "PREFECT_HOME": str(self.home / "client"),
            "PREFECT_API_URL": str(self.api.base_url).rstrip("/"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PYTHONPATH": str(self.home),
        }
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", self.name, "--type", self.kind.type]
        start_process(self.home, self.name, command, clean_environment(known | self.settings), self.home)

    def measure_run(self) -> float:
        """Create a run and wait for its end; returns the seconds until the first line of its flow."""
        # Runs created right after another one's end would always hit the same phase of the worker's polling.
        time.sleep(self._runs * _GOLDEN % 1 * self.query_seconds)
        path = self.home / f"{self.name}-{self._runs}"
        self._runs += 1
        created = time.time()
        run = self._post(f"/deployments/{self._deployment}/create_flow_run", parameters={"path": str(path)})
        # Only polls the file: requests to the server would slow down what is measured.
        _wait_for(
            lambda: path.exists() and path.read_text() != "", lambda: self._failure(f"did not begin run {run['id']}")
        )
        _wait_for(lambda: self._is_over(run["id"]), lambda: self._failure(f"did not end run {run['id']}"))
        return float(path.read_text()) - created

    def _is_over(self, run: str) -> bool:
        state = self.api.get(f"/flow_runs/{run}").json()["state"]["type"]
        if state in FINAL - {"COMPLETED"}:
            raise SystemExit(self._failure(f"ended run {run} as {state}"))
        worker = running_process(self.home, self.name)
        # A stock worker's process lives on for a while after its run has completed.
        busy = worker is not None and self.kind is ProcessWorker and worker.children()
        return state == "COMPLETED" and not busy

    def _failure(self, what: str) -> str:
        """An error message with the last line of the worker's log, whose folder is temporary."""
        return f"The worker of the pool {self.name} {what}: {last_log_line(self.home, self.name)}"

    def _deploy(self) -> str:
        template = self.kind.get_default_base_job_template()
        self._post("/work_pools/", name=self.name, type=self.kind.type, base_job_template=template)
        made = self._post(
            "/deployments/",
            name=self.name,
            flow_id=self._post("/flows/", name="first_line")["id"],
            work_pool_name=self.name,
            entrypoint="flow_to_time.first_line",
            pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": str(self.home)}}],
            enforce_parameter_schema=False,
        )
        return str(made["id"])

    def _post(self, path: str, **body: Any) -> Any:
        answer = self.api.post(path, json=body)
        answer.raise_for_status()
        return answer.json()


def main() -> None:
    """Measure the three pools in turns and print one table."""
    parser = argparse.ArgumentParser(description="Create run → first line of the flow, three work pools side by side.")
    parser.add_argument("--runs", type=int, default=50, help="runs of the tuned and of the warm pool")
    parser.add_argument("--default-runs", type=int, default=50, help="runs of the stock pool with default settings")
    options = parser.parse_args()
    if not 1 <= options.default_runs <= options.runs:
        parser.error("--default-runs must be at least 1 and at most --runs")
    load = os.getloadavg()[0]
    with ExitStack() as kept:
        home = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="triptych-bench-")))
        (home / "flow_to_time.py").write_text(FLOW, encoding="utf-8")
        api = kept.enter_context(httpx.Client(base_url=_start_server(kept, home), timeout=30))
        default = Pool(home, api, "default", ProcessWorker, {})
        tuned = Pool(home, api, "tuned", ProcessWorker, QUICK)
        warm = Pool(home, api, "warm", WarmProcessWorker, QUICK)
        for pool in (default, tuned, warm):
            kept.callback(stop_process, home, pool.name)
            pool.start()
        for pool in (default, tuned, warm):
            pool.measure_run()
        for number in range(options.runs):
            # The runs of the default pool are spread evenly over the rounds.
            share = (options.default_runs * done // options.runs for done in (number, number + 1))
            for pool in (default, tuned, warm) if len(set(share)) > 1 else (tuned, warm):
                pool.seconds.append(pool.measure_run())
    Console().print(_table(default, tuned, warm, f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after"))


def _start_server(kept: ExitStack, home: Path) -> str:
    """Start Postgres and a Prefect server on it, which `kept` stops; returns the URL of the API."""
    ports = free_ports(2)
    password = secrets.token_hex(16)
    kept.callback(stop_process, home, postgres.NAME)
    postgres.start_postgres(home, port=ports[0], password=password)
    kept.callback(stop_process, home, prefect_server.SERVER)
    database = postgres.dsn(ports[0], password, "prefect", "postgresql+asyncpg")
    prefect_server.start_server(home, home, database=database, port=ports[1])
    return f"http://127.0.0.1:{ports[1]}/api"


def _table(default: Pool, tuned: Pool, warm: Pool, load: str) -> Table:
    table = Table("work pool", "runs", "median s", "p95 s", "best s", "worst s", "/ warm")
    names = {"stock, default": default, "stock, tuned": tuned, "warm-process": warm}
    least = statistics.median(warm.seconds)
    for name, pool in names.items():
        times = sorted(pool.seconds)
        median = statistics.median(times)
        p95 = times[math.ceil(0.95 * len(times)) - 1]
        values = (median, p95, times[0], times[-1])
        table.add_row(name, str(len(times)), *(f"{one:.2f}" for one in values), f"{median / least:.1f}")
    ratio = statistics.median(tuned.seconds) / least
    table.caption = f"create run → first line; medians: stock, tuned takes {ratio:.1f} × warm\n{load}"
    return table


def _wait_for(true: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited {_WAIT_SECONDS:.0f} s. {what()}")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
