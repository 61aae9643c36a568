"""The review flow: the run is suspended until a person has chosen, and keeps the choice as labels."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.running.platform import Platform
from flows.running.prefect_api import api_of
from flows.running.settings import load_settings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def api(stack_home: Path) -> Iterator[httpx.Client]:
    """The API of the Prefect server."""
    with api_of(load_settings(stack_home)).client() as client:
        yield client


def wait_for_state(api: httpx.Client, run_id: str, *wanted: str) -> dict[str, Any]:
    """Wait until the type of the run's state is one of these, and return the state."""
    deadline = time.monotonic() + 120
    while (state := api.get(f"/flow_runs/{run_id}").json()["state"])["type"] not in wanted:
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    return state


def start(api: httpx.Client, **wanted: Any) -> str:
    found = api.get("/deployments/name/review-images/review-images").json()
    return api.post(f"/deployments/{found['id']}/create_flow_run", json={"parameters": {"pictures": wanted}}).json()[
        "id"
    ]


def test_a_review_waits_for_a_choice_and_keeps_it_as_labels(stack_home: Path, api: httpx.Client) -> None:
    run_id = start(api, prompt="owl", count=2, seed=71)
    state = wait_for_state(api, run_id, "PAUSED", "FAILED", "CRASHED", "COMPLETED")
    assert state["name"] == "Suspended"
    pages = api.post("/artifacts/filter", json={"flow_runs": {"id": {"any_": [run_id]}}}).json()
    assert any("data:image/jpeg;base64," in str(page["data"]) for page in pages)
    keys = state["state_details"]["run_input_keyset"]
    schema = api.get(f"/flow_runs/{run_id}/input/{keys['schema']}").json()
    names = schema["properties"]["select"]["items"]["enum"]
    assert [name[:3] for name in names] == ["1. ", "2. "]
    assert schema["properties"]["reject_others"]["title"] == "Reject the others"

    resumed = api.post(f"/flow_runs/{run_id}/resume", json={"run_input": {"select": [names[1]]}})
    assert resumed.json()["status"] == "ACCEPT", resumed.text
    state = wait_for_state(api, run_id, "COMPLETED", "FAILED", "CRASHED")
    assert state["message"] == "1 selected, 1 rejected."
    space = Platform(load_settings(stack_home)).space("default")
    labels = {tuple(sorted(row.labels)) for row in space.library.page("default", kinds=["image"], limit=2).rows}
    assert labels == {("generated", "rejected"), ("generated", "selected")}


def test_a_review_of_nothing_says_so(api: httpx.Client) -> None:
    state = wait_for_state(api, start(api, label="nobody-has-this"), "COMPLETED", "FAILED", "CRASHED")
    assert (state["name"], "There are no pictures to review" in state["message"]) == ("Refused", True)
