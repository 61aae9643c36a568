"""The promises about what dies: parts come back by themselves, parked runs are listed and begun again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.platform import Platform
from flows.settings import Settings, load_settings
from gateway import http_server, seaweed
from gateway.prefect_server import api_of
from gateway.processes import running_process
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def triptych(home: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.command_line", *arguments, "--json"],
        cwd=ROOT,
        env=os.environ | {"TRIPTYCH_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def kill(home: Path, part: str) -> psutil.Process:
    victim = running_process(home, part)
    assert victim is not None
    victim.kill()
    return victim


def test_parts_that_are_killed_come_back_by_themselves(stack_home: Path, stack_settings: Settings) -> None:
    bucket = Platform(stack_settings.model_copy(update={"patience_seconds": 90})).bucket
    victims = {part: kill(stack_home, part) for part in (seaweed.NAME, http_server.NAME)}
    for part, victim in victims.items():
        wait_for(
            lambda part=part, pid=victim.pid: _pid(stack_home, part) not in (None, pid), 90, f"{part} to come back"
        )
    bucket.put("tmp/after-the-kill", b"there")
    assert bucket.get("tmp/after-the-kill") == b"there"
    wait_for(lambda: http_server.answers(str(stack_settings.gateway_url)), 90, "the gateway to answer")


def _pid(home: Path, part: str) -> int | None:
    process = running_process(home, part)
    return process.pid if process else None


def test_a_parked_run_is_listed_with_its_reason_and_begun_again(stack_home: Path) -> None:
    with api_of(load_settings(stack_home)).client() as client:
        found = client.get("/deployments/name/search/search").json()
        later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
        body = {"parameters": {"query": {"words": "a cat", "kinds": ["text"]}}, "state": later}
        run = client.post(f"/deployments/{found['id']}/create_flow_run", json=body).json()["id"]
        reason = "Given up after 5 attempts. The last one: the process ended by SIGKILL."
        client.post(
            f"/flow_runs/{run}/set_state", json={"state": {"type": "CRASHED", "message": reason}, "force": True}
        )
        listed = {one["id"]: one for one in triptych(stack_home, "failed")["runs"]}
        assert (listed[run]["flow"], listed[run]["state"], listed[run]["reason"]) == ("search", "Crashed", reason)
        assert triptych(stack_home, "retry", run[:18])["runs"] == [run]
        state = lambda: client.get(f"/flow_runs/{run}").json()["state"]["type"]  # noqa: E731
        wait_for(lambda: state() == "COMPLETED", 120, "the run to complete")
        assert run not in {one["id"] for one in triptych(stack_home, "failed")["runs"]}
