"""The people of a chaos run: they put files into the inbox and start runs, whatever is away."""

import time
from collections import Counter
from contextlib import suppress
from typing import Any

import httpx

from benchmarks.chaos.files import File
from flows.running.platform import Platform
from flows.running.prefect_api import api_of

_INBOX_RUN_SECONDS = 15.0


class Clients:
    """Puts files into the inbox, starts inbox runs, and waits for the end of all runs."""

    def __init__(self, platform: Platform) -> None:
        self._bucket = platform.bucket
        self._api = api_of(platform.settings).client()
        self._last_start = 0.0

    def drop(self, file: File) -> None:
        """Put a file into the inbox; the bucket retries while the S3 server restarts."""
        self._bucket.put(f"inbox/default/{file.name}", file.data)

    def start_inbox_run(self) -> None:
        """Start an inbox run every 15 seconds, unless one is unfinished."""
        if time.monotonic() - self._last_start < _INBOX_RUN_SECONDS:
            return
        self._last_start = time.monotonic()
        with suppress(httpx.HTTPError, KeyError):
            if not self.unfinished_runs():
                found = self._api.get("/deployments/name/process-inbox/process-inbox").json()
                self._api.post(f"/deployments/{found['id']}/create_flow_run", json={})

    def unfinished_runs(self) -> list[dict[str, Any]]:
        """The unfinished runs that are due."""
        wanted = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING", "SCHEDULED"]}}}
        found = self._api.post("/flow_runs/filter", json={"flow_runs": wanted}).raise_for_status().json()
        # A run has no state for a moment after it was created.
        return [run for run in found if run["state_type"] != "SCHEDULED" or run["estimated_start_time_delta"] > 0]

    def ended(self) -> Counter[str]:
        """The number of runs in each final state."""
        states: Counter[str] = Counter()
        while page := self._api.post("/flow_runs/filter", json={"offset": states.total(), "limit": 200}).json():
            states.update(str(run["state_name"]) for run in page)
        return states

    def is_settled(self) -> bool:
        with suppress(httpx.HTTPError):
            return not any(True for _ in self._bucket.objects("inbox/")) and not self.unfinished_runs()
        return False
