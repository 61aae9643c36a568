"""The life cycle of the child processes: they outlive their runs, and the death of one loses no other run."""

from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_for
from tests.workers.harness.workers import Pool, Worker, lines, release

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


def test_a_log_line_reaches_the_server(pool: Pool, warm: Worker) -> None:
    run = pool.start("log_a_line")
    pool.end(run)
    name = pool.read(run)["name"]

    def logged() -> bool:
        wanted = {"flow_run_id": {"any_": [run]}}
        return any(line["message"] == f"a line of {name}" for line in pool.server.post("/logs/filter", logs=wanted))

    wait_for(logged, 15, "the line")


def test_two_slots_never_execute_three_runs(pair_pool: Pool, pair: Worker, tmp_path: Path) -> None:
    told = [tmp_path / f"out{number}" for number in range(3)]
    runs = [pair_pool.start("hold", path=path) for path in told]
    wait_for(lambda: all(slot.flow_run_id for slot in pair.status().slots), 30, "both slots to be busy")
    assert sorted(pair_pool.state(run) for run in runs).count("SCHEDULED") == 1
    for path in told:
        release(path)
    assert {pair_pool.end(run) for run in runs} == {"COMPLETED"}
