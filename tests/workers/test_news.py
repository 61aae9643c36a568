"""News: a run is taken when the server tells of it, not when the worker next asks; and without news it asks."""

import asyncio
import inspect
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect.events.clients import PrefectEventSubscriber, get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.workers.harness import Pool, running_worker
from workers.run_events import RunEvent, RunEventSubscriber

_SELDOM = "20"


def test_a_run_is_taken_when_the_server_tells_of_it(pool: Pool, tmp_path: Path) -> None:
    with running_worker(pool, tmp_path / "worker", query_seconds=_SELDOM) as worker:
        assert pool.end(pool.start("first_line", path=tmp_path / "told")) == "COMPLETED"
        asked = time.monotonic()
        runs = [pool.start("first_line", path=tmp_path / "told") for _ in range(5)]
        assert {pool.end(run) for run in runs} == {"COMPLETED"}
        assert time.monotonic() - asked < float(_SELDOM) / 2
        assert worker.process.poll() is None


def test_the_worker_listens_again_to_a_server_that_was_away(pool: Pool, tmp_path: Path) -> None:
    with running_worker(pool, tmp_path / "worker", query_seconds=_SELDOM):
        assert pool.end(pool.start("first_line", path=tmp_path / "told"), 90) == "COMPLETED"
        pool.server.stop()
        pool.server.start()
        assert pool.end(pool.start("first_line", path=tmp_path / "told"), 90) == "COMPLETED"
        waits: list[float] = []
        for _ in range(3):
            asked = time.monotonic()
            assert pool.end(pool.start("first_line", path=tmp_path / "told"), 90) == "COMPLETED"
            waits.append(time.monotonic() - asked)
        assert min(waits) < float(_SELDOM) / 4


def test_a_run_for_later_is_taken_when_its_time_has_come(pool: Pool, tmp_path: Path) -> None:
    with running_worker(pool, tmp_path / "worker"):
        due = datetime.now(UTC) + timedelta(seconds=4)
        given = {"path": str(tmp_path / "told")}
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due.isoformat()}}
        order = f"/deployments/{pool.deployment('first_line')}/create_flow_run"
        later = pool.server.post(order, state=state, parameters=given)["id"]
        assert pool.end(later) == "COMPLETED"
        began = datetime.fromisoformat(pool.read(later)["start_time"])
        assert timedelta(0) <= began - due < timedelta(seconds=3)


def test_prefect_tells_of_runs_as_before() -> None:
    assert {"filter", "reconnection_attempts"} <= set(inspect.signature(get_events_subscriber).parameters)
    assert "prefix" in EventNameFilter.model_fields
    assert "event" in EventFilter.model_fields
    assert hasattr(PrefectEventSubscriber, "__anext__")


async def test_news_name_the_run_its_state_and_its_pool(pool: Pool, tmp_path: Path) -> None:
    heard: list[RunEvent] = []
    events = RunEventSubscriber()
    with temporary_settings({PREFECT_API_URL: pool.server.url}):
        listening = asyncio.create_task(events.listen(heard.append))
    while not events.connected:
        await asyncio.sleep(0.05)
    run = await asyncio.to_thread(pool.start, "first_line", path=tmp_path / "told")
    wanted = RunEvent(run, "SCHEDULED", pool.name)
    for _ in range(200):
        if wanted in heard:
            break
        await asyncio.sleep(0.05)
    listening.cancel()
    assert wanted in heard
