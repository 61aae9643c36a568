"""Isolation: no state of a run reaches the next one, and settings that a process cannot change are refused."""

import os
from pathlib import Path

import psutil
import pytest

from tests.waiting import wait_for
from tests.workers.harness.workers import Pool, Worker, lines

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def test_a_run_starts_with_the_state_of_a_new_process(pool: Pool, warm: Worker, tmp_path: Path) -> None:
    before = warm.children()
    assert pool.end(pool.start("look_around", path=tmp_path / "first"), 120) == "COMPLETED"
    assert pool.end(pool.start("messy")) == "COMPLETED"
    assert pool.end(pool.start("look_around", path=tmp_path / "second")) == "COMPLETED"
    assert warm.children() == before, "all three ran in the same process"
    first, second = lines(tmp_path / "first"), lines(tmp_path / "second")
    assert first[:4] == second[:4]
    assert first[5] == second[5]
    assert first[4] != second[4], "random numbers are new in each run"
    assert first[6] != second[6]
    assert second[6] != "torch seed 1", "the seed of the messy run is gone"
    assert first[0] == "environment None"
    assert first[1] == "folder True"
    assert first[5] == "torch True torch.float32 cpu"


def test_the_process_of_a_slot_holds_no_socket_of_the_fork_server(warm: Worker) -> None:
    for child in warm.children():
        server = psutil.Process(child).ppid()
        assert len(sockets(server)) == 1  # to the worker: whoever holds it can ask for processes
        assert sockets(child).isdisjoint(sockets(server))


def sockets(pid: int) -> set[str]:
    """Return the open sockets of a process, by inode."""
    targets = (os.readlink(descriptor) for descriptor in Path(f"/proc/{pid}/fd").iterdir())  # noqa: PTH115
    return {target for target in targets if target.startswith("socket:")}


def test_the_environment_and_settings_of_a_run_are_its_own(pool: Pool, warm: Worker, tmp_path: Path) -> None:
    variables = {"env": {"OWN": "mine", "PREFECT_FLOWS_DEFAULT_RETRIES": "3"}}
    assert pool.end(pool.start("settings_of_run", path=tmp_path / "out", variables=variables)) == "COMPLETED"
    assert pool.end(pool.start("settings_of_run", path=tmp_path / "out")) == "COMPLETED"
    assert lines(tmp_path / "out") == ["mine 3", "None 0"]


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"env": {"PREFECT_API_URL": "http://elsewhere.test/api"}}, "PREFECT_API_URL"),
        ({"env": {"CUDA_VISIBLE_DEVICES": "3"}}, "CUDA_VISIBLE_DEVICES"),
        ({"command": "python other.py"}, "command"),
    ],
)
def test_a_setting_that_needs_a_new_process_is_refused_by_name(
    pool: Pool, warm: Worker, tmp_path: Path, variables: dict[str, object], named: str
) -> None:
    run = pool.start("settings_of_run", path=tmp_path / "out", variables=variables)
    assert pool.end(run) == "CRASHED"
    assert named in pool.message(run)
    assert lines(tmp_path / "out") == []


def test_heartbeats_are_sent_as_in_any_other_run(pool: Pool, warm: Worker, tmp_path: Path) -> None:
    run = pool.start("sleep", path=tmp_path / "out", seconds=2)

    def beaten() -> bool:
        wanted = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": {"id": [f"prefect.flow-run.{run}"]}}
        return pool.server.post("/events/filter", filter=wanted)["total"] > 0

    wait_for(beaten, 30, "a heartbeat")
    assert pool.end(run) == "COMPLETED"
