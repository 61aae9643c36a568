"""An outage of the server: runs go on, new processes wait for it, and workers and clients find it again."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.context import SyncClientContext
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    temporary_settings,
)

from tests.waiting import wait_for
from tests.workers.harness.server import Server
from tests.workers.harness.workers import SELDOM_SECONDS, Pool, Worker, lines, release, wait_until_begun
from workers.child.event_loop import PersistentLoop
from workers.child.first_request import retry_first_request

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@dataclass
class Outage:
    """What was seen while the server was away."""

    run: str
    told: list[str]
    """By the flow of the run, until the server came back."""
    restarts: list[int]
    """Of the slot whose process was killed: before, with the new process, and two seconds later."""
    answers: list[int]
    """To the first requests of clients that were made while it was away."""


@pytest.fixture(scope="module")
def outage(seldom_pool: Pool, seldom: Worker, tmp_path_factory: pytest.TempPathFactory) -> Outage:
    """The server is stopped while one slot executes a run; the process of the other slot is killed; it starts again."""
    out = tmp_path_factory.mktemp("outage") / "out"
    run = seldom_pool.start("hold", path=out)
    wait_until_begun(out)
    wait_for(lambda: any(slot.flow_run_id == run for slot in seldom.status().slots), 30, "the run to be shown")
    [idle] = [number for number, slot in enumerate(seldom.status().slots) if slot.flow_run_id is None]
    restarts = [seldom.status().slots[idle].restarts]
    seldom_pool.server.stop()
    try:
        os.kill(seldom.status().slots[idle].pid, signal.SIGKILL)
        wait_for(lambda: seldom.status().slots[idle].restarts > restarts[0] and seldom.ready(), 60, "a new process")
        restarts.append(seldom.status().slots[idle].restarts)
        release(out)
        wait_for(lambda: "released" in lines(out), 30, "the flow to end")
        time.sleep(2)
        restarts.append(seldom.status().slots[idle].restarts)
        told = lines(out)
    finally:
        answers = _ask_while_it_starts(seldom_pool.server)
    return Outage(run, told, restarts, answers)


def _ask_while_it_starts(server: Server) -> list[int]:
    """Send the first requests of two clients a second before the server starts; the status codes."""

    async def ask() -> int:
        return (await get_client().hello()).status_code

    def ask_in_a_thread() -> int:
        with temporary_settings(there), SyncClientContext() as context:
            retry_first_request(context.client)
            return context.client.hello().status_code

    there: dict[Any, Any] = {
        PREFECT_API_URL: server.url,
        PREFECT_CLIENT_MAX_RETRIES: 8,
        PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
    }
    coming = threading.Timer(1.0, server.start)
    coming.start()
    try:
        with ThreadPoolExecutor(1) as threads, temporary_settings(there):
            beside = threads.submit(ask_in_a_thread)
            return [PersistentLoop().run(ask()), beside.result()]
    finally:
        coming.join()


def test_a_run_continues_while_the_server_is_away_and_reports_afterwards(
    outage: Outage, seldom_pool: Pool, tmp_path: Path
) -> None:
    assert outage.told[-1] == "released"
    assert seldom_pool.end(outage.run, 120) == "COMPLETED"
    assert seldom_pool.end(seldom_pool.start("with_model", path=tmp_path / "after"), 120) == "COMPLETED"


def test_a_process_that_starts_while_the_server_is_away_waits_for_it(
    outage: Outage, seldom_pool: Pool, seldom: Worker, tmp_path: Path
) -> None:
    before, started, later = outage.restarts
    assert started == later == before + 1, "one start was enough"
    told = [tmp_path / name for name in ("one", "other")]
    runs = [seldom_pool.start("hold", path=path) for path in told]
    for path in told:
        wait_until_begun(path)
    assert {lines(path)[0] for path in told} == {f"begun {pid}" for pid in seldom.children()}
    for path in told:
        release(path)
    assert {seldom_pool.end(run, 90) for run in runs} == {"COMPLETED"}


def test_the_first_request_of_a_process_is_retried_while_the_server_is_away(outage: Outage) -> None:
    assert outage.answers == [httpx.codes.OK] * 2


def test_the_worker_subscribes_again_after_an_outage(outage: Outage, seldom_pool: Pool, tmp_path: Path) -> None:
    assert seldom_pool.end(seldom_pool.start("first_line", path=tmp_path / "told"), 90) == "COMPLETED"
    waits: list[float] = []
    for _ in range(3):
        asked = time.monotonic()
        assert seldom_pool.end(seldom_pool.start("first_line", path=tmp_path / "told"), 90) == "COMPLETED"
        waits.append(time.monotonic() - asked)
    assert min(waits) < SELDOM_SECONDS / 4
