"""Fixtures of the HTTP API's tests: the session's stack, and tokens and clients for each role."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import pytest

from flows.running.platform import Platform
from flows.running.settings import Settings
from gateway.tokens import Role, Tokens
from tests.paths import SAMPLES

NewToken = Callable[..., str]


@pytest.fixture(scope="session")
def address(stack_settings: Settings) -> str:
    """The URL of the session's gateway."""
    return str(stack_settings.gateway_url)


@pytest.fixture(scope="session")
def new_token(stack_settings: Settings) -> NewToken:
    """Return a function that creates tokens: new_token(role, project)."""
    tokens = Tokens(Platform(stack_settings).bucket)

    def create(role: Role, project: str = "api") -> str:
        return tokens.create(f"{role}-{uuid4().hex[:8]}", role, project)

    return create


@pytest.fixture(scope="session")
def maker_token(new_token: NewToken) -> str:
    return new_token("maker")


@pytest.fixture(scope="session")
def viewer_token(new_token: NewToken) -> str:
    return new_token("viewer")


def client_of(address: str, token: str) -> httpx.Client:
    return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=180)


@pytest.fixture(scope="session")
def maker(address: str, maker_token: str) -> Iterator[httpx.Client]:
    """A client with the token of a maker of the project `api`."""
    with client_of(address, maker_token) as client:
        yield client


@pytest.fixture(scope="session")
def viewer(address: str, viewer_token: str) -> Iterator[httpx.Client]:
    """A client with the token of a viewer of the project `api`."""
    with client_of(address, viewer_token) as client:
        yield client


@pytest.fixture(scope="session")
def stranger(address: str, new_token: NewToken) -> Iterator[httpx.Client]:
    """A client with the token of a maker of another project."""
    with client_of(address, new_token("maker", "elsewhere")) as client:
        yield client


def finished(client: httpx.Client, job: str) -> dict[str, object]:
    """Follow a job's events to its end and return its result."""
    with client.stream("GET", f"/api/jobs/{job}/events") as events:
        assert events.status_code == 200
        for _ in events.iter_lines():
            pass
    answer = client.get(f"/api/jobs/{job}/result")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="session")
def cat(maker: httpx.Client) -> str:
    """The id of a stored picture of the project `api`."""
    with (SAMPLES / "cat-and-mirror.jpg").open("rb") as file:
        sent = maker.post("/api/artifacts", files={"file": file}, data={"label": "pets"})
    assert sent.status_code == 202, sent.text
    items = finished(maker, sent.json()["id"])["items"]
    assert isinstance(items, list)
    return str(items[0]["artifact"])
