"""What becomes of the runs when a worker stops or is killed, and when the next one starts."""

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_for
from tests.workers.harness.server import Server
from tests.workers.harness.workers import Pool, running_worker, wait_until_begun
from workers.parent.infrastructure_id import InfrastructureId

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@dataclass
class Next:
    """A worker that has just started in a pool, and the unfinished runs that it found there."""

    pool: Pool
    begun: str
    claimed: str
    elsewhere: str
    of_no_deployment: str


@pytest.fixture(scope="module")
def left(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Next]:
    pool, folder = Pool(server), tmp_path_factory.mktemp("left")
    with running_worker(pool, folder) as worker:
        begun = pool.start("sleep", path=folder / "out", seconds=60)
        wait_until_begun(folder / "out")
        wait_for(lambda: bool(pool.read(begun)["infrastructure_pid"]), 30, "the process to be recorded")
        family = worker.children()
        os.kill(worker.process.pid, signal.SIGKILL)
        wait_for(lambda: not any(psutil.pid_exists(pid) for pid in family), 10, "the processes to end")
    assert pool.state(begun) == "RUNNING"
    claimed = pool.start("with_model", path=folder / "claimed")
    _claim(pool, claimed, machine=socket.gethostname())
    elsewhere = pool.start("with_model", path=folder / "elsewhere")
    _claim(pool, elsewhere, machine="elsewhere")
    of_no_deployment = pool.start("with_tasks", path=folder / "deleted")
    server.api.delete(f"/deployments/{pool.deployment('with_tasks')}").raise_for_status()
    with running_worker(pool, folder):
        yield Next(pool, begun, claimed, elsewhere, of_no_deployment)


def _claim(pool: Pool, run: str, machine: str) -> None:
    """Leave the run as a worker does that is killed between its claim and the beginning of the flow."""
    process = InfrastructureId(machine=machine, slot="cpu-0", pid=2**22, started=1)
    pool.server.post(f"/flow_runs/{run}/set_state", state={"type": "PENDING", "message": f"Claimed by {process}"})


def test_a_killed_worker_takes_its_processes_along_and_the_next_one_settles_its_runs(
    left: Next, tmp_path: Path
) -> None:
    assert left.pool.end(left.begun, 30) == "CRASHED"
    assert "had this run in hand" in left.pool.message(left.begun)
    assert left.pool.end(left.pool.start("with_model", path=tmp_path / "after")) == "COMPLETED"


def test_a_run_that_a_killed_worker_had_claimed_but_not_begun_runs_with_the_next_one(left: Next) -> None:
    assert left.pool.end(left.claimed) == "COMPLETED"


def test_a_run_of_another_machine_is_left_alone(left: Next) -> None:
    assert left.pool.end(left.claimed) == "COMPLETED", "the worker has looked at all that it found"
    assert left.pool.end(left.begun) == "CRASHED"
    assert left.pool.state(left.elsewhere) == "PENDING"


def test_a_deleted_deployment_cancels_or_deletes_its_run(left: Next) -> None:
    def settled() -> bool:
        found = left.pool.server.api.get(f"/flow_runs/{left.of_no_deployment}")
        return found.status_code == 404 or found.json()["state"]["type"] == "CANCELLED"

    wait_for(settled, 30, "the run of a deleted deployment")


@pytest.mark.parametrize("pid", [2**22, os.getpid()], ids=["unused", "in use"])
def test_an_infrastructure_id_without_a_start_time_is_not_alive(pid: int) -> None:
    assert not InfrastructureId(machine=socket.gethostname(), slot="cpu-0", pid=pid, started=0).is_alive


def test_a_worker_that_stops_lets_its_run_finish(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", drain_seconds="20") as worker:
        run = own.start("sleep", path=tmp_path / "out", seconds=2)
        wait_until_begun(tmp_path / "out")
        family = [psutil.Process(pid) for pid in worker.children()]
    assert own.state(run) == "COMPLETED"
    assert not any(process.is_running() for process in family)


def test_a_run_that_outlasts_drain_seconds_crashes_when_the_worker_stops(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", drain_seconds="0.5"):
        run = own.start("sleep", path=tmp_path / "out", seconds=60)
        wait_until_begun(tmp_path / "out")
    assert own.state(run) == "CRASHED"
    assert "stopped" in own.message(run)
