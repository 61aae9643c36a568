"""Events: a run starts when the server announces it, not at the next poll; without events, the worker polls."""

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


def test_a_run_starts_at_its_event_without_waiting_for_a_poll(pool: Pool, tmp_path: Path) -> None:
    with running_worker(pool, tmp_path / "worker", query_seconds=_SELDOM) as worker:
        assert pool.end(pool.start("first_line", path=tmp_path / "told")) == "COMPLETED"
        asked = time.monotonic()
        runs = [pool.start("first_line", path=tmp_path / "told") for _ in range(5)]
        assert {pool.end(run) for run in runs} == {"COMPLETED"}
        assert time.monotonic() - asked < float(_SELDOM) / 2
        assert worker.process.poll() is None


def test_the_worker_subscribes_again_after_an_outage(pool: Pool, tmp_path: Path) -> None:
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


def test_a_run_that_is_scheduled_for_later_starts_on_time(pool: Pool, tmp_path: Path) -> None:
    with running_worker(pool, tmp_path / "worker"):
        due = datetime.now(UTC) + timedelta(seconds=4)
        given = {"path": str(tmp_path / "told")}
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due.isoformat()}}
        order = f"/deployments/{pool.deployment('first_line')}/create_flow_run"
        later = pool.server.post(order, state=state, parameters=given)["id"]
        assert pool.end(later) == "COMPLETED"
        began = datetime.fromisoformat(pool.read(later)["start_time"])
        assert timedelta(0) <= began - due < timedelta(seconds=3)


def test_prefects_event_subscriber_has_what_ours_uses() -> None:
    assert {"filter", "reconnection_attempts"} <= set(inspect.signature(get_events_subscriber).parameters)
    assert "prefix" in EventNameFilter.model_fields
    assert "event" in EventFilter.model_fields
    assert hasattr(PrefectEventSubscriber, "__anext__")


async def test_an_event_names_the_run_its_state_and_its_pool(pool: Pool, tmp_path: Path) -> None:
    received: list[RunEvent] = []
    events = RunEventSubscriber()
    with temporary_settings({PREFECT_API_URL: pool.server.url}):
        listening = asyncio.create_task(events.listen(received.append))
    while not events.connected:
        await asyncio.sleep(0.05)
    run = await asyncio.to_thread(pool.start, "first_line", path=tmp_path / "told")
    wanted = RunEvent(run, "SCHEDULED", pool.name)
    for _ in range(200):
        if wanted in received:
            break
        await asyncio.sleep(0.05)
    listening.cancel()
    assert wanted in received
