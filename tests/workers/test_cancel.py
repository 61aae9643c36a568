"""Cancellation: the run ends as Cancelled, its hooks run, and the process and its models stay."""

from pathlib import Path

import pytest

from tests.waiting import wait_for
from tests.workers.harness.workers import Pool, Worker, lines

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.mark.parametrize("flow", ["sleep", "sleep_sync"])
def test_a_cancelled_run_is_never_crashed_and_its_process_lives_on(
    pool: Pool, warm: Worker, tmp_path: Path, flow: str
) -> None:
    hooks = len(warm.told())
    before = warm.children()
    run = pool.start(flow, path=tmp_path / "out", seconds=60)
    wait_for(lambda: bool(lines(tmp_path / "out")), 30, "the flow")
    pool.cancel(run)
    assert pool.end(run, 10) == "CANCELLED"
    history = pool.history(run)
    assert "CRASHED" not in history
    assert history[-1] == "CANCELLED"
    assert "CANCELLING" in history
    wait_for(lambda: len(warm.told()) == hooks + 1, 10, "the hook")
    assert warm.told()[-1] == f"cancelled hook {before[0]}"
    after = pool.start("with_model", path=tmp_path / "after")
    assert pool.end(after) == "COMPLETED"
    assert warm.children() == before
    assert "slept" not in lines(tmp_path / "out")


def test_a_flow_that_does_not_yield_is_killed_after_the_grace_time(pool: Pool, warm: Worker, tmp_path: Path) -> None:
    hooks = len(warm.told())
    before = warm.children()
    run = pool.start("stubborn", path=tmp_path / "out", seconds=60)
    wait_for(lambda: bool(lines(tmp_path / "out")), 30, "the flow")
    pool.cancel(run)
    assert pool.end(run, 30) == "CANCELLED"
    assert "CRASHED" not in pool.history(run)
    assert len(warm.told()) == hooks + 1
    after = pool.start("with_model", path=tmp_path / "after")
    assert pool.end(after) == "COMPLETED"
    assert warm.children() != before


def test_a_run_that_is_cancelled_while_it_waits_never_starts(pool: Pool, warm: Worker, tmp_path: Path) -> None:
    first = pool.start("sleep", path=tmp_path / "first", seconds=2)
    wait_for(lambda: bool(lines(tmp_path / "first")), 30, "the first flow")
    second = pool.start("sleep", path=tmp_path / "second", seconds=2)
    pool.cancel(second)
    assert pool.end(second) == "CANCELLED"
    assert pool.end(first) == "COMPLETED"
    assert lines(tmp_path / "second") == []


def test_many_cancels_at_any_moment_leave_no_run_open_and_no_slot_lost(
    pool: Pool, warm: Worker, tmp_path: Path
) -> None:
    before = warm.children()
    runs = [pool.start("sleep", path=tmp_path / f"out{number}", seconds=0.3) for number in range(6)]
    for number, run in enumerate(runs):
        wait_for(lambda run=run: pool.state(run) != "SCHEDULED", 30, "the run to be taken")
        if number % 2:
            pool.cancel(run)
        assert pool.end(run) in {"CANCELLED", "COMPLETED"}
    assert all("CRASHED" not in pool.history(run) for run in runs)
    assert pool.end(pool.start("with_model", path=tmp_path / "after")) == "COMPLETED"
    assert warm.children() == before
