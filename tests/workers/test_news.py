"""Events: a run starts when the server announces it, not at the next poll; without events, the worker polls."""

import asyncio
import inspect
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect.events.clients import PrefectEventSubscriber, get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.workers.harness.workers import SELDOM_SECONDS, Pool, Worker
from workers.run_events import RunEvent, RunEventSubscriber


def test_a_run_starts_at_its_event_without_waiting_for_a_poll(
    seldom_pool: Pool, seldom: Worker, tmp_path: Path
) -> None:
    assert seldom_pool.end(seldom_pool.start("first_line", path=tmp_path / "told")) == "COMPLETED"
    asked = time.monotonic()
    runs = [seldom_pool.start("first_line", path=tmp_path / "told") for _ in range(5)]
    assert {seldom_pool.end(run) for run in runs} == {"COMPLETED"}
    assert time.monotonic() - asked < SELDOM_SECONDS / 2
    assert seldom.process.poll() is None


def test_a_run_that_is_scheduled_for_later_starts_on_time(pool: Pool, warm: Worker, tmp_path: Path) -> None:
    due = datetime.now(UTC) + timedelta(seconds=3)
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
