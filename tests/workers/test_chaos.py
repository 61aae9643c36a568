"""A short chaos run: whatever is killed, every run ends in the right state, and none is lost or runs twice."""

from pathlib import Path

import pytest

from tests.workers.harness.chaos import KINDS, Chaos
from tests.workers.harness.workers import Pool


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_mixed_runs_survive_crashes_cancels_and_restarts_of_server_and_worker(pool: Pool, tmp_path: Path) -> None:
    found = Chaos(Pool(pool.server), tmp_path, runs=24, seed=4).go(seconds=240)
    assert found["kinds"].keys() == KINDS.keys()
    assert found["states"]["COMPLETED"] >= 5
