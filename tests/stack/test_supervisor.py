"""Recovery: the supervisor restarts parts, and crashed runs are listed and retried."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from PIL import Image

from flows.running.platform import Platform
from flows.running.prefect_api import api_of
from flows.running.settings import Settings, load_settings
from stack.clock_watch import renew_plans
from stack.home_file import StackFile, read_stack_file
from stack.processes import running_process
from stack.servers import gateway, seaweed
from stack.servers.workers import TRAINER
from stack.servers.zombie_trainings import HEARTBEAT_TIMEOUT_SECONDS, NAME, automation, ensure_automation
from tests.paths import ROOT
from tests.waiting import wait_for

pytestmark = [pytest.mark.stack, pytest.mark.serial, pytest.mark.timeout(600)]


def triptych(home: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli.main", *arguments, "--json"],
        cwd=ROOT,
        env=os.environ | {"TRIPTYCH_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def start(client: httpx.Client, deployment: str, **body: Any) -> str:
    """Create a run of the deployment (its flow has the same name) and return its id."""
    found = client.get(f"/deployments/name/{deployment}/{deployment}").json()
    return str(client.post(f"/deployments/{found['id']}/create_flow_run", json=body).json()["id"])


def state(client: httpx.Client, run: str) -> str:
    return str(client.get(f"/flow_runs/{run}").json()["state"]["type"])


def failed(home: Path) -> dict[str, dict[str, Any]]:
    """Return what `triptych failed` lists, by id."""
    return {one["id"]: one for one in triptych(home, "failed")["runs"]}


def kill(home: Path, part: str) -> psutil.Process:
    victim = running_process(home, part)
    assert victim is not None
    victim.kill()
    return victim


def test_killed_parts_are_restarted(stack_home: Path, stack_settings: Settings) -> None:
    bucket = Platform(stack_settings.model_copy(update={"patience_seconds": 90})).bucket
    victims = {part: kill(stack_home, part) for part in (seaweed.NAME, gateway.NAME)}
    for part, victim in victims.items():
        wait_for(
            lambda part=part, pid=victim.pid: _pid(stack_home, part) not in (None, pid), 90, f"{part} to come back"
        )
    bucket.put("tmp/after-the-kill", b"there")
    assert bucket.get("tmp/after-the-kill") == b"there"
    wait_for(lambda: gateway.answers(str(stack_settings.gateway_url)), 90, "the gateway to answer")


def _pid(home: Path, part: str) -> int | None:
    process = running_process(home, part)
    return process.pid if process else None


def test_a_crashed_run_is_listed_with_its_reason_and_can_be_retried(stack_home: Path) -> None:
    with api_of(load_settings(stack_home)).client() as client:
        later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2099-01-01T00:00:00Z"}}
        run = start(client, "search", parameters={"query": {"words": "a cat", "kinds": ["text"]}}, state=later)
        reason = "Given up after 5 attempts. The last one: the process ended by SIGKILL."
        client.post(
            f"/flow_runs/{run}/set_state", json={"state": {"type": "CRASHED", "message": reason}, "force": True}
        )
        listed = failed(stack_home)[run]
        assert (listed["flow"], listed["state"], listed["reason"]) == ("search", "Crashed", reason)
        assert triptych(stack_home, "retry", run[:18])["runs"] == [run]
        wait_for(lambda: state(client, run) == "COMPLETED", 120, "the run to complete")
        assert run not in failed(stack_home)


def test_a_clock_that_was_ahead_delays_no_run(stack_home: Path, stack_settings: Settings) -> None:
    api = api_of(stack_settings)
    with api.client() as client:
        soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        later = {"type": "SCHEDULED", "state_details": {"scheduled_time": soon}}
        body = {"parameters": {"query": {"words": "a cat", "kinds": ["text"]}}, "state": later}
        wanted, ahead = start(client, "search", **body), start(client, "search", **body)
        address = StackFile(read_stack_file(stack_home)).dsn("prefect", "postgresql")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("update flow_run_state set timestamp = %s where flow_run_id = %s", [soon, ahead])
        [before] = _schedules(client, "process-inbox")
        renew_plans(api)
        [after] = _schedules(client, "process-inbox")
        assert after["schedule"].pop("anchor_date") > before["schedule"].pop("anchor_date")
        changing = {"updated": ""}
        assert before | changing == after | changing
        wait_for(lambda: state(client, ahead) == "COMPLETED", 120, "the run to complete")
        assert state(client, wanted) == "SCHEDULED"


def _schedules(client: httpx.Client, deployment: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/deployments/name/{deployment}/{deployment}").json()["schedules"]
    return found


def test_a_training_that_dies_with_its_worker_is_crashed_and_can_be_retried(
    stack_home: Path, stack_settings: Settings, tmp_path: Path
) -> None:
    # A training that another test began with other pictures would be refused.
    shutil.rmtree(stack_home / "training" / "icons", ignore_errors=True)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    (tmp_path / "red.txt").write_text("plain red", encoding="utf-8")
    api = api_of(stack_settings)
    with api.client() as client:
        _crash_trainings_after(client, 20)
        order = {"recipe": "icons", "data": str(tmp_path), "minutes": 0.02}
        run = start(client, "train-model", parameters={"order": order})
        wait_for(lambda: state(client, run) == "RUNNING", 120, "the training to begin")
        worker = running_process(stack_home, TRAINER)
        assert worker is not None
        for process in (worker, *worker.children(recursive=True)):
            process.kill()
        wait_for(lambda: state(client, run) == "CRASHED", 120, "the server to notice", every=0.5)
        ensure_automation(api)  # as the next `up` does
        assert _automation(client)["trigger"]["within"] == HEARTBEAT_TIMEOUT_SECONDS
        assert "goes on from its last checkpoint" in failed(stack_home)[run]["reason"]
        triptych(stack_home, "retry", run)
        wait_for(lambda: state(client, run) == "COMPLETED", 180, "the training to end", every=0.5)


def _crash_trainings_after(client: httpx.Client, seconds: float) -> None:
    changed = client.put(f"/automations/{_automation(client)['id']}", json=automation(seconds))
    changed.raise_for_status()


def _automation(client: httpx.Client) -> dict[str, Any]:
    [found] = client.post("/automations/filter", json={"automations": {"name": {"any_": [NAME]}}}).json()
    return found
