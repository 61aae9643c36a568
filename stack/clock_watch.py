"""Notice that the clock was set back, and renew what Prefect has planned by the clock of before.

Prefect plans by the time of day. While a clock is an hour ahead, it uses up the times of a schedule: when the clock is
right again, there is a run for each minute of the hour to come, and Prefect makes no second one. What was scheduled
meanwhile, such as another attempt of a run, is due an hour too late.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx

from flows.running.prefect_api import PrefectApi

_PAGE = 200
"""The server's own limit."""


class ClockWatch:
    """Detects steps of the time of day, by comparison with the monotonic clock."""

    def __init__(
        self, time_of_day: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._offset: Callable[[], float] = lambda: time_of_day() - monotonic()
        self._last = self._offset()

    def set_back_seconds(self) -> float:
        """Return how far the clock was set back since the last call; 0 if it was not, or was set forward."""
        offset = self._offset()
        step, self._last = self._last - offset, offset
        return max(0.0, step)


def renew_plans(api: PrefectApi) -> None:
    """Count the intervals of schedules from now on, and make due what was scheduled by a clock that was ahead.

    Schedules by cron stay as they are. Raises httpx.HTTPError if the server does not answer.
    """
    with api.client() as client:
        now = datetime.now(UTC)
        for deployment in _pages(client, "deployments", {}):
            for schedule in deployment["schedules"]:
                if "interval" in schedule["schedule"]:
                    # Other times than those for which there are runs.
                    new = schedule["schedule"] | {"anchor_date": now.isoformat()}
                    body = {"schedule": new, "active": schedule["active"], "parameters": schedule["parameters"]}
                    address = f"/deployments/{deployment['id']}/schedules/{schedule['id']}"
                    client.patch(address, json=body).raise_for_status()
        later = {"state": {"type": {"any_": ["SCHEDULED"]}}, "next_scheduled_start_time": {"after_": now.isoformat()}}
        # Only states with a timestamp in the future are of the clock that was ahead; runs scheduled for later stay.
        for run in list(_pages(client, "flow_runs", later)):
            if datetime.fromisoformat(run["state"]["timestamp"]) > now:
                state = {
                    "type": "SCHEDULED",
                    "name": run["state"]["name"],
                    "message": "It was scheduled by a clock that was ahead.",
                    "state_details": {"scheduled_time": now.isoformat()},
                }
                body = {"state": state, "force": True}
                client.post(f"/flow_runs/{run['id']}/set_state", json=body).raise_for_status()


def _pages(client: httpx.Client, kind: str, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    offset = 0
    while page := _page(client, kind, wanted, offset):
        yield from page
        offset += len(page)


def _page(client: httpx.Client, kind: str, wanted: dict[str, Any], offset: int) -> list[dict[str, Any]]:
    body = {"limit": _PAGE, "offset": offset} | ({kind: wanted} if wanted else {})
    return client.post(f"/{kind}/filter", json=body).raise_for_status().json()
