"""Backpressure, rate limits, body limits and CORS, and the gateway while Prefect is down."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi.testclient import TestClient

from flows.running.platform import Platform
from flows.running.settings import Settings
from gateway.http.app import create_app
from tests.gateway.conftest import NewToken

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
Gateway = Callable[..., TestClient]


@pytest.fixture
def gateway(stack_settings: Settings, new_token: NewToken) -> Iterator[Gateway]:
    """Return a function that starts another gateway on the session's servers, with changed settings."""
    with ExitStack() as opened:

        def start(**changed: Any) -> TestClient:
            app = create_app(Platform(stack_settings.model_copy(update=changed)))
            client = opened.enter_context(TestClient(app, raise_server_exceptions=False))
            client.headers["Authorization"] = f"Bearer {new_token('maker')}"
            return client

        yield start


def test_jobs_that_would_wait_too_long_are_refused_with_retry_after(gateway: Gateway) -> None:
    client = gateway(gateway_wait_seconds=0)
    order = {"deployment": "generate-images", "parameters": {"prompt": "cat", "count": 1, "steps": 2}}
    answers = [client.post("/api/jobs", json=order) for _ in range(4)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {202, 429}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert "queue" in refused[0].json()["error"]


def test_a_person_over_the_rate_limit_gets_429(gateway: Gateway) -> None:
    client = gateway(gateway_rate="3/minute")
    statuses = [client.get("/v1/models").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    error = client.get("/v1/models").json()["error"]
    assert error["code"] == "rate_limit_exceeded"


def test_an_address_that_guesses_tokens_gets_429(gateway: Gateway) -> None:
    client = gateway()
    wrong = {"Authorization": "Bearer tt_guessed"}
    statuses = {client.get("/api/jobs", headers=wrong).status_code for _ in range(80)}
    assert statuses == {401, 429}


def test_files_over_the_limit_are_refused(gateway: Gateway) -> None:
    client = gateway(gateway_upload_mb=1)
    answer = client.post("/api/artifacts", files={"file": ("x.txt", b"x" * 2_000_000)})
    assert answer.status_code == 413


def test_cors_allows_only_the_origins_of_the_settings(gateway: Gateway) -> None:
    page = {"Origin": "https://app.example.org"}
    allowed = "access-control-allow-origin"
    assert allowed not in gateway().get("/v1/models", headers=page).headers
    listed = gateway(gateway_origins="https://app.example.org")
    assert listed.get("/v1/models", headers=page).headers[allowed] == "https://app.example.org"
    assert allowed not in listed.get("/v1/models", headers={"Origin": "https://other.example.org"}).headers


def test_without_prefect_searches_are_answered_and_jobs_get_503(gateway: Gateway) -> None:
    client = gateway(prefect_api_url="http://127.0.0.1:1/api")
    assert client.post("/api/search", json={"words": "cat"}).status_code == 200
    answer = client.get("/api/jobs")
    assert (answer.status_code, "Prefect" in answer.json()["error"]) == (503, True)
