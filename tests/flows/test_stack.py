"""The whole stack: deployments on work pools, started as the Prefect UI starts them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from flows.generate_images import generate_images
from flows.ingest import ingest, store_unrecorded
from flows.running.content_forms import Query
from flows.running.context import local_context
from flows.running.platform import Platform, open_platform
from flows.running.prefect_api import api_of
from flows.running.settings import Settings, load_settings
from flows.search import find
from gateway.cli.dispatch import prefect_client_settings
from gateway.cli.uploads import upload
from modalities.models.published import PublishedModels
from tests.paths import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def home(stack_home: Path) -> Path:
    """The home of the session's stack."""
    return stack_home


@pytest.fixture(scope="module")
def api(stack_settings: Settings) -> Iterator[httpx.Client]:
    """The API of the Prefect server."""
    with api_of(stack_settings).client() as client:
        yield client


def triptych(home: Path, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run the command line; return exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli.main", *arguments],
        cwd=ROOT,
        env=os.environ | {"TRIPTYCH_HOME": str(home)} | (env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def document(home: Path, *arguments: str) -> Any:
    code, out, err = triptych(home, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_files_are_ingested_and_found_through_the_work_pools(home: Path, samples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("cat-and-mirror.jpg", "weather.wav", "autumn-market.txt"):
        (folder / name).write_bytes((samples / name).read_bytes())
    (folder / "page.jpg").write_text("<html>no picture</html>")
    code, out, _ = triptych(home, "ingest", str(folder), "--json")
    items = {Path(item["path"]).name: item for item in json.loads(out)["items"]}
    assert code == 4
    assert {name: item["status"] for name, item in items.items()} == {
        "cat-and-mirror.jpg": "stored",
        "weather.wav": "stored",
        "autumn-market.txt": "stored",
        "page.jpg": "rejected",
    }
    assert items["page.jpg"]["reason"].endswith(".")
    hits = document(home, "search", "a cat at a mirror", "--kind", "image")["hits"]
    assert hits[0]["name"] == "cat-and-mirror.jpg"
    assert set(hits[0]) >= {"artifact", "name", "kind", "score", "text", "start_seconds", "end_seconds"}


def test_a_form_and_the_command_line_give_the_same_artifacts(home: Path, api: httpx.Client) -> None:
    order = {"prompt": "cat", "steps": 3, "count": 1, "seed": 21}
    by_command = document(home, "run", "generate-images", *(f"{name}={value}" for name, value in order.items()))
    found = api.get("/deployments/name/generate-images/generate-images").json()
    run = api.post(f"/deployments/{found['id']}/create_flow_run", json={"parameters": {"order": order}}).json()
    by_form = completed_report(home, api, run["id"])
    assert by_form["images"] == by_command["images"]


def completed_report(home: Path, api: httpx.Client, run_id: str) -> Any:
    """Wait for a run to complete, and read its report."""
    import time

    deadline = time.monotonic() + 120
    while (state := api.get(f"/flow_runs/{run_id}").json()["state"])["type"] not in ("COMPLETED", "FAILED", "CRASHED"):
        assert time.monotonic() < deadline, state
        time.sleep(0.3)
    assert state["type"] == "COMPLETED", state
    found = api.post("/artifacts/filter", json={"flow_runs": {"id": {"any_": [run_id]}}}).json()
    kinds = {artifact["type"] for artifact in found}
    assert kinds >= {"report", "progress", "markdown"}
    pages = [artifact["data"] for artifact in found if artifact["type"] == "markdown"]
    assert any("data:image/jpeg;base64," in page for page in pages)
    reference = json.loads(next(artifact["data"] for artifact in found if artifact["type"] == "report"))
    from flows.running.platform import Platform
    from storage.artifacts import Artifact

    store = Platform(load_settings(home)).space("default").store
    return json.loads(store.get(Artifact.model_validate(reference)))


@pytest.fixture
def in_this_process(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Flows that are called in this process run as in a worker: their requests go to the `gpu` pool."""
    monkeypatch.setenv("TRIPTYCH_HOME", str(home))
    open_platform.cache_clear()
    with prefect_client_settings():
        yield
    open_platform.cache_clear()


@pytest.mark.usefixtures("in_this_process")
async def test_requests_of_a_flow_are_answered_in_the_gpu_pool(samples: Path) -> None:
    platform = open_platform()
    keys = list(upload(platform.bucket, [samples / "luggage.jpg"]))
    state = await ingest({"keys": keys, "labels": ["bags"]}, return_state=True)
    assert state.is_completed()
    assert state.message == "1 stored, 0 duplicate, 0 rejected."
    assert platform.pool.loaded() == []
    hits = await find(local_context(platform.space("default")), Query(words="baggage", labels=["bags"]))
    assert [hit.name for hit in hits.hits] == ["luggage.jpg"]


@pytest.mark.usefixtures("in_this_process")
async def test_a_request_that_the_gpu_pool_cannot_answer_ends_the_flow_with_its_reason(samples: Path) -> None:
    space = open_platform().space("default")
    text = store_unrecorded(space, samples / "autumn-market.txt")
    order = {"prompt": "cat", "count": 1, "steps": 2, "start_from": text.sha256}
    state = await generate_images(order, return_state=True)
    assert (state.is_failed(), state.name) == (True, "Refused")
    assert str(state.message).endswith(".")


@pytest.mark.serial
def test_the_care_flows_run_in_the_work_pools_and_change_nothing(home: Path) -> None:
    assert document(home, "run", "verify")["findings"] == []
    report = document(home, "run", "gc")
    assert (report["dry_run"], report["removed"]) == (True, 0)
    assert document(home, "run", "retain") == {"expired": [], "held": 0, "dry_run": True, "unreadable": {}}
    assert document(home, "gc", "--delete")["condemned"] == 0
    assert document(home, "run", "verify", "quick=true")["findings"] == []


def test_the_fields_of_a_form_are_shown_in_the_order_of_its_class(api: httpx.Client) -> None:
    found = api.get("/deployments/name/generate-images/generate-images").json()
    fields = found["parameter_openapi_schema"]["definitions"]["PictureOrder"]["properties"]
    ordered = sorted(fields, key=lambda name: fields[name]["position"])
    assert ordered[:5] == ["prompt", "style", "count", "size", "seed"]
    assert ordered[-1] == "project"
    assert all(field.get("description") for field in fields.values())


def test_wrong_parameters_end_with_one_sentence_and_exit_code_2(home: Path) -> None:
    code, out, err = triptych(home, "run", "generate-images", "prompt=cat", "model=no-such-model")
    assert code == 2
    assert out == ""
    assert "No model is called no-such-model" in err
    assert "Traceback" not in err
    code, _, err = triptych(home, "run", "no-such-deployment")
    assert (code, "There is no deployment no-such-deployment" in err) == (2, True)
    code, _, err = triptych(home, "run", "generate-images", "colour=red")
    assert (code, "has no parameter colour" in err) == (2, True)


def test_a_training_runs_in_its_own_pool_and_its_weights_are_published(home: Path, tmp_path: Path) -> None:
    for colour in ("red", "blue"):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{colour}.png")
        (tmp_path / f"{colour}.txt").write_text(f"plain {colour}")
    order = ("recipe=icons", f"data={tmp_path}", "minutes=0.02")
    report = document(home, "run", "train-model", *order)
    assert (report["recipe"], Path(report["folder"])) == ("icons", home / "training" / "icons" / "model")
    assert report["measured"]["prompts"] == 2
    assert "2 pictures" in (home / "training" / "icons" / "model" / "README.md").read_text(encoding="utf-8")
    published = document(home, "publish", "icons", "--alias", "trial")
    versions = PublishedModels(Platform(load_settings(home)).bucket).versions("icons")
    assert published["version"] in [version.digest for version in versions]
    code, _, err = triptych(home, "run", "train-model", "recipe=nonsense")
    assert (code, "No training recipe is called nonsense" in err, "Traceback" in err) == (2, True, False)


def test_status_names_the_addresses_and_doctor_finds_nothing_wrong(home: Path) -> None:
    status = document(home, "status")
    assert all(status[name].startswith("http://127.0.0.1:") for name in ("prefect", "s3", "gateway"))
    assert document(home, "doctor")["findings"]


def test_the_prefect_server_answers_nobody_without_its_password(home: Path, api: httpx.Client) -> None:
    assert httpx.post(f"{api.base_url}deployments/filter", json={}).status_code == 401
    assert httpx.get(f"{document(home, 'status')['prefect']}/ui-settings").json()["auth"] == "BASIC"
    password = document(home, "password")["password"]
    name, _, word = password.partition(":")
    assert httpx.post(f"{api.base_url}deployments/filter", json={}, auth=(name, word)).json()
    code, _, err = triptych(home, "failed", env={"TRIPTYCH_PREFECT_AUTH_STRING": "triptych:wrong"})
    assert (code, "does not let us in" in err, "Traceback" in err) == (3, True, False)


def test_the_gateway_answers_nobody_without_its_token(home: Path) -> None:
    address = document(home, "status")["gateway"]
    assert httpx.post(f"{address}/api/search", json={"words": "cat"}).status_code in (401, 403)
    wrong = {"Authorization": "Bearer wrong"}
    assert httpx.post(f"{address}/api/search", json={"words": "cat"}, headers=wrong).status_code == 401
