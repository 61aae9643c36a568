"""Jobs over HTTP: start (idempotently), follow, cancel, and errors in one sentence."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.gateway.conftest import finished

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def pictures(**order: Any) -> dict[str, Any]:
    return {"deployment": "generate-images", "parameters": {"prompt": "cat", "count": 1, "steps": 2} | order}


def test_a_job_is_followed_to_its_result(maker: httpx.Client, viewer: httpx.Client) -> None:
    job = maker.post("/api/jobs", json=pictures(seed=11)).json()
    assert job["state"] == "queued"
    assert job["position"] >= 1
    assert job["estimate_seconds"] > 0
    seen: list[dict[str, Any]] = []
    with viewer.stream("GET", f"/api/jobs/{job['id']}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        seen += [json.loads(line.removeprefix("data:")) for line in events.iter_lines() if line.startswith("data:")]
    assert seen[-1]["state"] == "completed"
    assert seen[-1]["progress"] == 1
    progress = [state["progress"] for state in seen]
    assert progress == sorted(progress)
    images = viewer.get(f"/api/jobs/{job['id']}/result").json()["images"]
    assert [image["seed"] for image in images] == [11]
    assert job["id"] in [each["id"] for each in viewer.get("/api/jobs").json()]


def test_an_idempotency_key_starts_one_job(maker: httpx.Client) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    first = maker.post("/api/jobs", json=pictures(seed=12), headers=key).json()
    again = maker.post("/api/jobs", json=pictures(seed=12), headers=key).json()
    assert again["id"] == first["id"]
    other = maker.post("/api/jobs", json=pictures(seed=13), headers=key)
    assert (other.status_code, "Idempotency-Key" in other.json()["error"]) == (409, True)
    finished(maker, first["id"])


def test_a_job_is_cancelled(maker: httpx.Client) -> None:
    job = maker.post("/api/jobs", json=pictures(steps=150, count=64, seed=1000)).json()
    maker.post(f"/api/jobs/{job['id']}/cancel")
    with maker.stream("GET", f"/api/jobs/{job['id']}/events") as events:
        last = [line for line in events.iter_lines() if line.startswith("data:")][-1]
    assert json.loads(last.removeprefix("data:"))["state"] == "cancelled"
    assert maker.get(f"/api/jobs/{job['id']}/result").status_code == 502


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"deployment": "no-such-thing"}, 404, "There is no deployment no-such-thing"),
        (pictures(colour="red"), 422, "has no parameter colour"),
        (pictures(count=1000), 422, "refused"),
        ({"deployment": "generate-images", "parameters": {"order": []}}, 422, "form"),
        ({}, 422, "deployment is not right"),
    ],
)
def test_a_mistake_is_one_sentence(maker: httpx.Client, body: dict[str, Any], status: int, sentence: str) -> None:
    answer = maker.post("/api/jobs", json=body)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text


def test_a_job_with_an_unknown_model_is_refused_with_its_reason(maker: httpx.Client) -> None:
    job = maker.post("/api/jobs", json=pictures(model="no-such-model")).json()
    with maker.stream("GET", f"/api/jobs/{job['id']}/events") as events:
        list(events.iter_lines())
    answer = maker.get(f"/api/jobs/{job['id']}/result")
    assert answer.status_code == 422
    assert "No model is called no-such-model" in answer.json()["error"]
