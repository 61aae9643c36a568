"""Fixtures of the hub tests: a hub on this machine, and a client that has no token."""

from collections.abc import Iterator

import pytest

from modalities.models.hub.client import Hub
from tests.modalities.models.hub.local_hub import LocalHub, serve


@pytest.fixture(scope="module")
def running_hub() -> Iterator[LocalHub]:
    with serve() as hub:
        yield hub


@pytest.fixture
def local_hub(running_hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    """The hub, empty, without faults."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    fresh = LocalHub(url=running_hub.url)
    running_hub.__dict__.update(fresh.__dict__)
    return running_hub


@pytest.fixture
def hub(local_hub: LocalHub) -> Hub:
    return Hub(local_hub.url)
