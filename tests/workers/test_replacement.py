"""When a process is replaced: after its number of runs, when it takes too much memory, when the code has changed."""

from pathlib import Path

import pytest

from tests.waiting import wait_for
from tests.workers.harness.workers import Pool, Worker, lines, release, running_worker, wait_until_begun

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


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
    pair_pool: Pool, pair: Worker, tmp_path: Path
) -> None:
    before = sorted(slot.restarts for slot in pair.status().slots)
    other = pair_pool.start("hold", path=tmp_path / "other")
    wait_until_begun(tmp_path / "other")
    run = pair_pool.start("take_memory", path=tmp_path / "out", megabytes=600)
    assert pair_pool.end(run) == "CRASHED"
    assert "memory_megabytes allows 500" in pair_pool.message(run)
    assert "kept it" not in lines(tmp_path / "out")
    release(tmp_path / "other")
    assert pair_pool.end(other) == "COMPLETED"
    wait_for(lambda: sum(slot.restarts for slot in pair.status().slots) == sum(before) + 1, 30, "a new process")
    wait_for(pair.ready, 30, "the new process")


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
        wait_for(lambda: worker.status().slots[0].restarts == 1, 30, "the replacement to be shown")
