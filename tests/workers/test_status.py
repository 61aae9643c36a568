"""The status of a worker: file, port, metrics, and the artifact in Prefect's UI."""

import asyncio
import json
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from stack.processes import free_ports
from tests.waiting import wait_for
from tests.workers.harness.server import Server
from tests.workers.harness.workers import Pool, Worker, release, running_worker, wait_until_begun
from workers.background_tasks import BackgroundTasks
from workers.shown.artifact import artifact_key, as_markdown
from workers.shown.metrics import Metrics
from workers.shown.status import SlotStatus, WorkerStatus, read_status, write_status
from workers.shown.status_server import StatusServer

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
            restarts=2,
            resident_bytes=10,
            models={"icons": 5},
            problem=None,
        )
    ],
)


@pytest.fixture(scope="module")
def status_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def shown_pool(server: Server) -> Pool:
    """The pool of `shown`."""
    return Pool(server)


@pytest.fixture(scope="module")
def shown(shown_pool: Pool, status_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker that has loaded a model and serves its status on a port."""
    options = {"preload": "models_for_tests:warm_up", "report": "models_for_tests:loaded"}
    folder = tmp_path_factory.mktemp("shown")
    with running_worker(shown_pool, folder, status_port=str(status_port), **options) as worker:
        yield worker


async def test_a_part_of_the_worker_that_fails_is_begun_again() -> None:
    tasks, attempts, done = BackgroundTasks(logging.getLogger("test"), pause_seconds=0.01), list[int](), asyncio.Event()

    async def work() -> None:
        attempts.append(len(attempts))
        if len(attempts) < 3:
            raise OSError(28, "No space left on device")
        done.set()

    tasks.keep(work)
    async with asyncio.timeout(60):
        await done.wait()
    await tasks.cancel_all()
    assert attempts == [0, 1, 2]


def test_a_status_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_status(tmp_path / "deep" / "status.json", STATUS)
    assert read_status(tmp_path / "deep" / "status.json") == STATUS
    assert read_status(tmp_path / "none.json") is None


def test_metrics_are_what_prometheus_reads() -> None:
    metrics = Metrics(lambda: STATUS)
    metrics.observe_wait("gpu", 0.3)
    metrics.observe_run("gpu", 2.0)
    found = {sample.name: sample for family in parse(metrics.text()) for sample in family.samples}
    of_slot = {"pool": "gpu", "worker": 'a "worker"', "slot": "gpu-0"}
    assert (found["warm_process_runs_total"].value, found["warm_process_runs_total"].labels) == (3, of_slot)
    assert (found["warm_process_reloads_total"].value, found["warm_process_restarts_total"].value) == (1, 2)
    assert found["warm_process_model_bytes"].labels == of_slot | {"model": "icons"}
    assert found["warm_process_queue_age_seconds"].value == 1.5
    assert (found["warm_process_wait_seconds_sum"].value, found["warm_process_run_seconds_count"].value) == (0.3, 1)


def test_the_artifact_is_a_table_in_which_small_changes_of_memory_do_not_show() -> None:
    text = as_markdown(STATUS)
    assert "2 runs wait, the oldest for 2 s" in text
    assert "| gpu-0 | [x](/runs/flow-run/x) | icons 0 MB | 3 | 1 | 2 | 0.0 GB |" in text
    slot = STATUS.slots[0].model_copy(update={"resident_bytes": 2000})
    assert as_markdown(STATUS.model_copy(update={"slots": [slot]})) == text
    assert artifact_key(STATUS) == "warm-gpu-a-worker"


@pytest.mark.stack
def test_a_port_serves_the_current_run_and_the_loaded_models(
    shown_pool: Pool, shown: Worker, status_port: int, tmp_path: Path
) -> None:
    run = shown_pool.start("hold", path=tmp_path / "out")
    wait_until_begun(tmp_path / "out")
    slot = json.loads(httpx.get(f"http://127.0.0.1:{status_port}/status").text)["slots"][0]
    assert slot["flow_run_id"] == run
    assert slot["models"] == {"small": 1000}
    assert slot["resident_bytes"] > 10_000_000
    counted = f"runs_total\\{{.*cpu-0.*\\}} {slot['runs_done'] + 1}\\.0"
    release(tmp_path / "out")
    assert shown_pool.end(run) == "COMPLETED"
    wait_for(lambda: bool(re.search(counted, _metrics(status_port))), 20, "the run to be counted")
    assert httpx.get(f"http://127.0.0.1:{status_port}/elsewhere").status_code == 404


async def test_a_port_with_a_token_requires_it() -> None:
    port = free_ports(1)[0]
    shown = StatusServer("127.0.0.1", port, "secret", lambda: STATUS, lambda: "metrics")
    async with await shown.start(), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for given in ({}, {"Authorization": "Bearer other"}, {"Authorization": "secret"}):
            answer = await client.get("/metrics", headers=given)
            assert (answer.status_code, "metrics" in answer.text) == (401, False)
        assert (await client.get("/metrics", headers={"Authorization": "Bearer secret"})).text == "metrics"


@pytest.mark.stack
def test_a_worker_has_a_page_in_the_ui_that_is_kept_up_to_date(pool: Pool, tmp_path: Path) -> None:
    own = Pool(pool.server)
    options = {"preload": "models_for_tests:warm_up", "report": "models_for_tests:loaded", "artifact_seconds": "0.3"}

    def shown() -> str:
        wanted = {"key": {"like_": f"warm-{own.name}%"}}
        found = own.server.post("/artifacts/latest/filter", artifacts=wanted)
        return str(found[0]["data"]) if found else ""

    with running_worker(own, tmp_path / "worker", **options):
        run = own.start("hold", path=tmp_path / "out")
        wait_for(lambda: run in shown(), 30, "the run in hand")
        assert "| cpu-0 |" in shown()
        assert "small 0 MB" in shown()
        release(tmp_path / "out")
        assert own.end(run) == "COMPLETED"
        wait_for(lambda: "| – | small 0 MB | 1 | 0 | 0 |" in shown(), 30, "the end of the run")
    assert "was stopped" in shown()
    with running_worker(own, tmp_path / "worker", **options):
        wait_for(lambda: "| cpu-0 |" in shown(), 30, "the next worker to show itself on the same page")


@pytest.mark.stack
def test_a_model_that_is_let_go_between_runs_is_no_longer_shown(
    shown_pool: Pool, shown: Worker, tmp_path: Path
) -> None:
    run = shown_pool.start("with_model_for_a_while", path=tmp_path / "out")
    assert shown_pool.end(run) == "COMPLETED"
    wait_for(lambda: shown.status().slots[0].models == {"small": 1000}, 20, "the model to be shown")
    release(tmp_path / "out")
    wait_for(lambda: shown.status().slots[0].models == {}, 60, "the model to be gone")
    before = shown.status().slots[0].reloads
    assert shown_pool.end(shown_pool.start("with_model", path=tmp_path / "out")) == "COMPLETED"
    wait_for(lambda: shown.status().slots[0].reloads == before + 1, 20, "the reload to be counted")


@pytest.mark.stack
def test_a_port_that_is_in_use_and_a_failed_preload_are_reported_and_the_worker_executes_runs(
    pool: Pool, tmp_path: Path
) -> None:
    own = Pool(pool.server)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = {"status_port": str(taken.getsockname()[1]), "preload": "no_such_module:warm_up"}
        with running_worker(own, tmp_path / "worker", **options) as worker:
            assert "no_such_module" in str(worker.status().slots[0].problem)
            assert own.end(own.start("with_model", path=tmp_path / "out")) == "COMPLETED"
    log = (tmp_path / "worker" / "worker.log").read_text(encoding="utf-8")
    assert f"No metrics on port {options['status_port']}" in log


def _metrics(port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/metrics").text
