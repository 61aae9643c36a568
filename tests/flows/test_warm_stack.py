"""The warm workers of the whole stack: runs carry person tags, memory is measured, and both are reported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from flows.running.platform import Platform
from flows.running.prefect_api import api_of
from flows.running.settings import load_settings
from stack import lifecycle
from stack.home_file import read_stack_file
from tests.paths import ROOT
from tests.waiting import wait_for
from workers.shown.status import SlotStatus

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def home(stack_home: Path) -> Path:
    """The home of the session's stack, after one picture was generated."""
    command = [sys.executable, "-m", "gateway.cli.main", "generate", "cat", "--steps", "3", "--seed", "771"]
    environment = os.environ | {"TRIPTYCH_HOME": str(stack_home)}
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    return stack_home


def test_a_run_and_its_model_runs_carry_the_tag_of_the_person(home: Path) -> None:
    # The command line comes through the gateway with the stack's own token.
    with api_of(load_settings(home)).client() as api:
        wanted = {"tags": {"all_": ["by:stack"]}}
        runs = api.post("/flow_runs/filter", json={"flow_runs": wanted}).json()
    assert {"cpu", "gpu"} <= {run["work_pool_name"] for run in runs}


def test_the_measured_memory_of_models_is_stored_in_the_bucket(home: Path) -> None:
    bucket = Platform(load_settings(home)).bucket
    kept = [json.loads(bucket.get(found.key)) for found in bucket.objects("footprints/")]
    assert any(one["resident"] > 10**6 for one in kept)
    assert all(0 <= one["resident"] <= one["resident_peak"] < 10**10 for one in kept)  # a small head takes no page


def slots_of(home: Path, pool: str) -> list[SlotStatus]:
    [worker] = [worker for worker in lifecycle.status(home).workers if worker.pool == pool]
    return worker.slots


def test_the_worker_shows_its_models_in_the_status_and_to_prometheus(home: Path) -> None:
    # A worker writes its status once a second.
    wait_for(lambda: any(slot.models.get("icons", 0) > 10**6 for slot in slots_of(home, "gpu")), 10, "the icon model")
    known = read_stack_file(home)
    url = f"http://127.0.0.1:{known['TRIPTYCH_STACK_PORT_WORKER_GPU_PORT']}/metrics"
    assert httpx.get(url).status_code == 401
    shown = httpx.get(url, headers={"Authorization": f"Bearer {known['TRIPTYCH_METRICS_TOKEN']}"}).text
    assert 'warm_process_model_bytes{model="icons"' in shown


def test_each_worker_has_an_artifact_in_the_prefect_ui(home: Path) -> None:
    with api_of(load_settings(home)).client() as api:
        found = api.post("/artifacts/latest/filter", json={"artifacts": {"key": {"like_": "warm-%"}}}).json()
    assert {one["key"] for one in found} == {"warm-cpu-worker-cpu", "warm-gpu-worker-gpu"}


@pytest.mark.serial
def test_a_paused_pool_resumes_with_about_one_run_of_the_inbox(home: Path) -> None:
    with api_of(load_settings(home)).client() as api:
        deployment = api.get("/deployments/name/process-inbox/process-inbox").json()
        api.patch("/work_pools/cpu", json={"is_paused": True})
        try:
            missed = [
                api.post(
                    f"/deployments/{deployment['id']}/create_flow_run",
                    json={"state": {"type": "SCHEDULED"}, "tags": ["missed"]},
                ).json()["id"]
                for _ in range(15)
            ]
        finally:
            api.patch("/work_pools/cpu", json={"is_paused": False})

        def states() -> list[str]:
            runs = api.post("/flow_runs/filter", json={"flow_runs": {"id": {"any_": missed}}}).json()
            return [run["state_type"] for run in runs]

        wait_for(lambda: set(states()) <= {"COMPLETED", "CANCELLED"}, 120, "the runs that were missed")
        assert 1 <= states().count("COMPLETED") <= 4
