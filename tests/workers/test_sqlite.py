"""The warm worker with a Prefect server on SQLite."""

from pathlib import Path

import pytest

from tests.workers.harness.server import STANDSTILL, own_server
from tests.workers.harness.workers import Pool, lines, running_worker


@pytest.mark.soak
@pytest.mark.stack
@pytest.mark.timeout(600)
def test_runs_of_a_server_on_sqlite_complete_and_can_be_cancelled(tmp_path: Path) -> None:
    with own_server(tmp_path, sqlite=True) as server:
        own = Pool(server)
        with running_worker(own, tmp_path / "worker", slots="cpu:2", listen="false") as worker:
            runs = [own.start("with_model", path=tmp_path / "out") for _ in range(6)]
            long = own.start("sleep", path=tmp_path / "long", seconds=120)
            assert {own.end(run, 60 + STANDSTILL) for run in runs} == {"COMPLETED"}
            own.cancel(long)
            assert own.end(long, 60 + STANDSTILL) == "CANCELLED"
            assert len(worker.children()) == 2
    assert len({line.split()[0] for line in lines(tmp_path / "out")}) <= 2, "in the processes that were there"
