"""The life cycle of the child processes: they outlive their runs, and the death of one loses no other run."""

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.context import SyncClientContext
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    temporary_settings,
)

from tests.waiting import wait_for
from tests.workers.harness import Pool, Worker, lines, running_worker
from workers.child.event_loop import PersistentLoop
from workers.child.first_request import retry_first_request
from workers.parent.infrastructure_id import InfrastructureId

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def test_a_model_is_loaded_once_for_many_runs(pool: Pool, warm: Worker, tmp_path: Path) -> None:
    runs = [pool.start("with_model", path=tmp_path / "out") for _ in range(5)]
    assert {pool.end(run) for run in runs} == {"COMPLETED"}
    told = {line.rsplit(" ", 1)[1] for line in lines(tmp_path / "out")}
    assert told == {"1"}, "each run tells how often its process has loaded a model"


def test_a_flow_with_tasks_runs(pool: Pool, warm: Worker, tmp_path: Path) -> None:
    assert pool.end(pool.start("with_tasks", path=tmp_path / "out")) == "COMPLETED"
    assert lines(tmp_path / "out") == ["20"]


def test_a_flow_that_raises_is_failed_and_the_process_stays(pool: Pool, warm: Worker) -> None:
    before = warm.children()
    assert pool.end(pool.start("fail")) == "FAILED"
    assert warm.children() == before


def test_a_flow_that_exits_is_crashed_and_the_process_stays(pool: Pool, warm: Worker) -> None:
    before = warm.children()
    assert pool.end(pool.start("leave")) == "CRASHED"
    assert warm.children() == before


@pytest.mark.parametrize(("how", "why"), [("exit", "exit code 7"), ("kill", "SIGKILL"), ("segv", "SIGSEGV")])
def test_a_run_whose_process_ends_crashes_with_the_reason(
    pool: Pool, warm: Worker, tmp_path: Path, how: str, why: str
) -> None:
    run = pool.start("die", how=how)
    assert pool.end(run) == "CRASHED"
    assert why in pool.message(run)
    after = pool.start("with_model", path=tmp_path / "out")
    assert pool.end(after) == "COMPLETED", "a new process takes the next run"


def test_a_killed_fork_server_takes_its_processes_along_and_both_are_replaced(
    pool: Pool, warm: Worker, tmp_path: Path
) -> None:
    before = warm.children()
    (server,) = psutil.Process(warm.process.pid).children()
    run = pool.start("sleep", path=tmp_path / "out", seconds=60)
    wait_for(lambda: bool(lines(tmp_path / "out")), 30, "the flow")
    server.kill()
    assert pool.end(run) == "CRASHED"
    assert "SIGKILL" in pool.message(run)
    assert pool.end(pool.start("first_line", path=tmp_path / "told")) == "COMPLETED"
    assert not {pid for pid in before if psutil.pid_exists(pid)}


def test_the_hooks_of_a_crashed_run_run_in_the_next_process(pool: Pool, warm: Worker) -> None:
    before = len(warm.told())
    pool.end(pool.start("die"))
    wait_for(lambda: len(warm.told()) > before, 20, "the hook")
    assert warm.told()[-1].startswith("crashed hook")


@pytest.mark.parametrize("flow", ["too_long", "too_long_sync"])
def test_the_timeout_of_a_flow_holds(pool: Pool, warm: Worker, flow: str) -> None:
    before = warm.children()
    run = pool.start(flow)
    assert pool.end(run) == "FAILED"
    assert "timeout" in pool.message(run)
    assert warm.children() == before


def test_a_suspended_run_frees_its_slot_and_resumes(pool: Pool, warm: Worker, tmp_path: Path) -> None:
    run = pool.start("suspending", path=tmp_path / "out")
    wait_for(lambda: pool.state(run) == "PAUSED", 30, "the suspension")
    other = pool.start("with_model", path=tmp_path / "other")
    assert pool.end(other) == "COMPLETED"
    pool.server.post(f"/flow_runs/{run}/resume")
    assert pool.end(run) == "COMPLETED"
    assert lines(tmp_path / "out")[-1] == "resumed"


def test_a_run_suspended_from_outside_stops_at_its_next_boundary(pool: Pool, warm: Worker, tmp_path: Path) -> None:
    run = pool.start("suspended_from_outside", path=tmp_path / "out", seconds=4)
    wait_for(lambda: bool(lines(tmp_path / "out")), 30, "the flow")
    pool.server.post(f"/flow_runs/{run}/set_state", state={"type": "PAUSED", "name": "Suspended"}, force=True)
    other = pool.start("with_model", path=tmp_path / "other")
    assert pool.end(other) == "COMPLETED"
    assert pool.state(run) == "PAUSED"
    assert "went on" not in lines(tmp_path / "out")


def test_a_run_without_a_loadable_flow_crashes_and_says_so(pool: Pool, warm: Worker) -> None:
    run = pool.start("no_such_flow")
    assert pool.end(run) == "CRASHED"
    assert "no_such_flow" in pool.message(run)


def test_two_slots_never_execute_three_runs(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", slots="cpu:2") as worker:
        runs = [own.start("sleep", path=tmp_path / f"out{number}", seconds=2) for number in range(3)]
        wait_for(lambda: all(slot.flow_run_id for slot in worker.status().slots), 30, "both slots to be busy")
        assert sorted(own.state(run) for run in runs).count("SCHEDULED") == 1
        assert {own.end(run) for run in runs} == {"COMPLETED"}


def test_a_process_is_replaced_after_its_number_of_runs(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", recycle_runs="2") as worker:
        runs = [own.start("with_model", path=tmp_path / "out") for _ in range(4)]
        assert {own.end(run) for run in runs} == {"COMPLETED"}
        pids = [line.split()[0] for line in lines(tmp_path / "out")]
        assert len(set(pids)) == 2
        wait_for(lambda: worker.status().slots[0].restarts == 2, 30, "the second replacement")


def test_a_process_that_holds_too_much_memory_is_replaced(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", recycle_megabytes="1"):
        runs = [own.start("with_model", path=tmp_path / "out") for _ in range(2)]
        assert {own.end(run) for run in runs} == {"COMPLETED"}
    assert len({line.split()[0] for line in lines(tmp_path / "out")}) == 2


def test_a_run_that_takes_more_than_the_limit_crashes_with_the_numbers_and_the_others_go_on(
    pool: Pool, tmp_path: Path
) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", slots="cpu:2", memory_megabytes="500") as worker:
        other = own.start("sleep", path=tmp_path / "other", seconds=6)
        wait_for(lambda: bool(lines(tmp_path / "other")), 30, "the other flow")
        run = own.start("take_memory", path=tmp_path / "out", megabytes=600)
        assert own.end(run) == "CRASHED"
        assert "memory_megabytes allows 500" in own.message(run)
        assert "kept it" not in lines(tmp_path / "out")
        assert own.end(other) == "COMPLETED"
        wait_for(worker.ready, 30, "a new process")
        assert sorted(slot.restarts for slot in worker.status().slots) == [0, 1]


def test_a_worker_that_stops_lets_its_run_finish(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", drain_seconds="20") as worker:
        run = own.start("sleep", path=tmp_path / "out", seconds=3)
        wait_for(lambda: bool(lines(tmp_path / "out")), 30, "the flow")
        family = [psutil.Process(pid) for pid in worker.children()]
    assert own.state(run) == "COMPLETED"
    assert not any(process.is_running() for process in family)


def test_a_run_that_outlasts_drain_seconds_crashes_when_the_worker_stops(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", drain_seconds="0.5"):
        run = own.start("sleep", path=tmp_path / "out", seconds=60)
        wait_for(lambda: bool(lines(tmp_path / "out")), 30, "the flow")
    assert own.state(run) == "CRASHED"
    assert "stopped" in own.message(run)


def test_a_killed_worker_takes_its_processes_along_and_the_next_one_settles_its_runs(
    pool: Pool, tmp_path: Path
) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker") as worker:
        run = own.start("sleep", path=tmp_path / "out", seconds=60)
        wait_for(lambda: bool(own.read(run)["infrastructure_pid"]) and bool(lines(tmp_path / "out")), 30, "the flow")
        family = worker.children()
        os.kill(worker.process.pid, signal.SIGKILL)
        wait_for(lambda: not any(psutil.pid_exists(pid) for pid in family), 10, "the processes to end")
    assert own.state(run) == "RUNNING"
    with running_worker(own, tmp_path / "worker"):
        assert own.end(run, 20) == "CRASHED"
        assert "had this run in hand" in own.message(run)
        assert own.end(own.start("with_model", path=tmp_path / "after")) == "COMPLETED"


def test_a_run_that_a_killed_worker_had_claimed_but_not_begun_runs_with_the_next_one(
    pool: Pool, tmp_path: Path
) -> None:
    own = Pool(pool.server)
    run = own.start("with_model", path=tmp_path / "out")
    gone = InfrastructureId(machine=socket.gethostname(), slot="cpu-0", pid=2**22, started=1)
    own.server.post(f"/flow_runs/{run}/set_state", state={"type": "PENDING", "message": f"Claimed by {gone}"})
    with running_worker(own, tmp_path / "worker"):
        assert own.end(run) == "COMPLETED"


@pytest.mark.parametrize("pid", [2**22, os.getpid()], ids=["unused", "in use"])
def test_an_infrastructure_id_without_a_start_time_is_not_alive(pid: int) -> None:
    assert not InfrastructureId(machine=socket.gethostname(), slot="cpu-0", pid=pid, started=0).is_alive


def test_a_run_of_another_machine_is_left_alone(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    run = own.start("with_model", path=tmp_path / "out")
    elsewhere = InfrastructureId(machine="elsewhere", slot="cpu-0", pid=2**22, started=1)
    own.server.post(f"/flow_runs/{run}/set_state", state={"type": "PENDING", "message": f"Claimed by {elsewhere}"})
    with running_worker(own, tmp_path / "worker"):
        time.sleep(5)
        assert own.state(run) == "PENDING"


def test_changed_flow_code_is_picked_up(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    code = tmp_path / "code"
    code.mkdir()
    module = code / "flows_for_tests.py"
    helper = code / "helper_for_tests.py"
    helper.write_text("ANSWER = 'first'\n", encoding="utf-8")
    module.write_text(
        "from pathlib import Path\nfrom prefect import flow\nfrom helper_for_tests import ANSWER\n\n"
        "@flow\nasync def changing(path: str) -> None:\n    Path(path).write_text(ANSWER)\n",
        encoding="utf-8",
    )
    # The folder of the tests' own flows is on the path of the workers; here it must not be found first.
    with running_worker(own, tmp_path / "worker") as worker:
        assert own.end(own.start("changing", folder=code, path=tmp_path / "out")) in {"COMPLETED", "CRASHED"}
        first = (tmp_path / "out").read_text(encoding="utf-8")
        helper.write_text("ANSWER = 'the second'\n", encoding="utf-8")
        assert own.end(own.start("changing", folder=code, path=tmp_path / "out")) == "COMPLETED"
        assert (first, (tmp_path / "out").read_text(encoding="utf-8")) == ("first", "the second")
        assert worker.status().slots[0].restarts == 1


def test_a_run_continues_while_the_server_is_away_and_reports_afterwards(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker"):
        run = own.start("sleep", path=tmp_path / "out", seconds=4)
        wait_for(lambda: bool(lines(tmp_path / "out")), 30, "the flow")
        own.server.stop()
        try:
            wait_for(lambda: "slept" in lines(tmp_path / "out"), 30, "the flow to end")
        finally:
            own.server.start()
        assert own.end(run, 120) == "COMPLETED"
        assert own.end(own.start("with_model", path=tmp_path / "after"), 120) == "COMPLETED"


def test_a_process_that_starts_while_the_server_is_away_waits_for_it(pool: Pool, tmp_path: Path) -> None:
    with running_worker(pool, tmp_path / "worker") as worker:
        pool.server.stop()
        try:
            os.kill(worker.children()[0], signal.SIGKILL)
            wait_for(lambda: worker.status().slots[0].restarts == 1 and worker.ready(), 60, "a new process")
            time.sleep(2)
            assert worker.status().slots[0].restarts == 1
        finally:
            pool.server.start()
        assert pool.end(pool.start("first_line", path=tmp_path / "told"), 90) == "COMPLETED"


def test_the_first_request_of_a_process_is_retried_while_the_server_is_away(pool: Pool) -> None:
    async def ask() -> int:
        return (await get_client().hello()).status_code

    def ask_in_a_thread() -> int:
        with temporary_settings(there), SyncClientContext() as context:
            retry_first_request(context.client)
            return context.client.hello().status_code

    there: dict[Any, Any] = {
        PREFECT_API_URL: pool.server.url,
        PREFECT_CLIENT_MAX_RETRIES: 8,
        PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
    }
    pool.server.stop()
    coming = threading.Timer(1.0, pool.server.start)
    coming.start()
    try:
        with ThreadPoolExecutor(1) as threads, temporary_settings(there):
            beside = threads.submit(ask_in_a_thread)
            assert PersistentLoop().run(ask()) == httpx.codes.OK
            assert beside.result() == httpx.codes.OK
    finally:
        coming.join()


def test_a_log_line_reaches_the_server(pool: Pool, warm: Worker) -> None:
    run = pool.start("log_a_line")
    pool.end(run)
    name = pool.read(run)["name"]

    def logged() -> bool:
        wanted = {"flow_run_id": {"any_": [run]}}
        return any(line["message"] == f"a line of {name}" for line in pool.server.post("/logs/filter", logs=wanted))

    wait_for(logged, 15, "the line")


def test_a_deleted_deployment_cancels_or_deletes_its_run(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    run = own.start("with_model", path=tmp_path / "out")
    own.server.api.delete(f"/deployments/{own.deployment('with_model')}").raise_for_status()
    with running_worker(own, tmp_path / "worker"):
        time.sleep(2)
        assert own.server.api.get(f"/flow_runs/{run}").status_code == 404 or own.state(run) == "CANCELLED"
