"""Attempts: a run whose process or worker dies is started again up to a limit, then it crashes."""

import os
import signal
from pathlib import Path

import pytest

from tests.waiting import wait_for
from tests.workers.harness import Pool, lines, running_worker

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def test_a_run_whose_process_dies_is_begun_again_and_completes(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", attempts="3"):
        run = own.start("die_at_first", path=tmp_path / "out", times=2)
        assert own.end(run, 90) == "COMPLETED"
    assert lines(tmp_path / "out") == ["begun"] * 3
    assert "CRASHED" not in own.history(run), "whoever waits for the run never sees it end"


def test_a_run_crashes_with_the_reason_after_its_last_attempt(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", attempts="2"):
        run = own.start("die_at_first", path=tmp_path / "out", times=9)
        assert own.end(run, 90) == "CRASHED"
    assert own.message(run).startswith("Given up after 2 attempts.")
    assert "SIGKILL" in own.message(run)
    assert lines(tmp_path / "out") == ["begun"] * 2


def test_the_runs_of_a_killed_worker_are_begun_again_by_the_next_one(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", attempts="2") as worker:
        run = own.start("sleep_at_first", path=tmp_path / "out", seconds=60)
        wait_for(lambda: bool(lines(tmp_path / "out")), 30, "the flow")
        os.kill(worker.process.pid, signal.SIGKILL)
    with running_worker(own, tmp_path / "worker", attempts="2"):
        assert own.end(run) == "COMPLETED"
    assert lines(tmp_path / "out") == ["begun"] * 2
