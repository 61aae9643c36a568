"""Attempts: a run whose process or worker dies is started again up to a limit, then it crashes."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.harness.server import Server
from tests.workers.harness.workers import Pool, lines, running_worker, wait_until_begun

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def interrupted(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pool, str, Path]]:
    """A pool whose worker was killed and has a successor, the run that was in hand, and the file that it tells."""
    pool, folder = Pool(server), tmp_path_factory.mktemp("attempts")
    with running_worker(pool, folder, attempts="3") as worker:
        run = pool.start("sleep_at_first", path=folder / "out", seconds=60)
        wait_until_begun(folder / "out")
        os.kill(worker.process.pid, signal.SIGKILL)
    with running_worker(pool, folder, attempts="3"):
        yield pool, run, folder / "out"


@pytest.fixture
def thrice(interrupted: tuple[Pool, str, Path]) -> Pool:
    """A pool whose worker starts a run up to three times."""
    return interrupted[0]


def test_a_run_whose_process_dies_is_begun_again_and_completes(thrice: Pool, tmp_path: Path) -> None:
    run = thrice.start("die_at_first", path=tmp_path / "out", times=2)
    assert thrice.end(run, 90) == "COMPLETED"
    assert lines(tmp_path / "out") == ["begun"] * 3
    assert "CRASHED" not in thrice.history(run), "whoever waits for the run never sees it end"


def test_a_run_crashes_with_the_reason_after_its_last_attempt(thrice: Pool, tmp_path: Path) -> None:
    run = thrice.start("die_at_first", path=tmp_path / "out", times=9)
    assert thrice.end(run, 90) == "CRASHED"
    assert thrice.message(run).startswith("Given up after 3 attempts.")
    assert "SIGKILL" in thrice.message(run)
    assert lines(tmp_path / "out") == ["begun"] * 3


def test_the_runs_of_a_killed_worker_are_begun_again_by_the_next_one(interrupted: tuple[Pool, str, Path]) -> None:
    pool, run, told = interrupted
    assert pool.end(run) == "COMPLETED"
    assert lines(told) == ["begun"] * 2
