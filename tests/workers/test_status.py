"""A worker shows what its slots do."""

import json
from pathlib import Path

import httpx
import pytest

from gateway.processes import free_ports
from tests.workers.harness import Pool, lines, running_worker, wait_for
from workers.status import SlotStatus, WorkerStatus, as_metrics, read_status, write_status

STATUS = WorkerStatus(
    worker='a "worker"',
    pool="gpu",
    waiting_runs=2,
    queue_age_seconds=1.5,
    slots=[
        SlotStatus(
            slot="gpu-0",
            pid=7,
            ready=True,
            flow_run_id="x",
            runs_done=3,
            reloads=1,
            resident_bytes=10,
            models={"icons": 5},
            problem=None,
        )
    ],
)


def test_a_status_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_status(tmp_path / "deep" / "status.json", STATUS)
    assert read_status(tmp_path / "deep" / "status.json") == STATUS
    assert read_status(tmp_path / "none.json") is None


def test_metrics_are_in_the_text_format_with_labels_escaped() -> None:
    text = as_metrics(STATUS)
    assert 'warm_process_runs_total{pool="gpu",worker="a \\"worker\\"",slot="gpu-0"} 3\n' in text
    assert 'warm_process_model_bytes{pool="gpu",worker="a \\"worker\\"",slot="gpu-0",model="icons"} 5\n' in text
    assert text.endswith("\n")


@pytest.mark.stack
def test_a_worker_tells_its_run_in_hand_and_its_models_on_a_port(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    port = free_ports(1)[0]
    options = {"preload": "models_for_tests:warm_up", "report": "models_for_tests:loaded", "status_port": str(port)}
    with running_worker(own, tmp_path / "worker", **options):
        run = own.start("sleep", path=tmp_path / "out", seconds=3)
        wait_for(lambda: bool(lines(tmp_path / "out")), 30, "the flow")
        slot = json.loads(httpx.get(f"http://127.0.0.1:{port}/status").text)["slots"][0]
        assert slot["flow_run_id"] == run
        assert slot["models"] == {"small": 1000}
        assert slot["resident_bytes"] > 10_000_000
        assert own.end(run) == "COMPLETED"
        wait_for(lambda: "warm_process_busy" in _metrics(port) and 'slot="cpu-0"} 1\n' in _metrics(port), 5, "metrics")
        assert httpx.get(f"http://127.0.0.1:{port}/elsewhere").status_code == 404


@pytest.mark.stack
def test_what_could_not_be_preloaded_is_told_and_the_worker_serves_all_the_same(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    with running_worker(own, tmp_path / "worker", preload="no_such_module:warm_up") as worker:
        assert "no_such_module" in str(worker.status().slots[0].problem)
        assert own.end(own.start("with_model", path=tmp_path / "out")) == "COMPLETED"


def _metrics(port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/metrics").text
