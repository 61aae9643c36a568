"""Fixtures of all tests in this folder: a Prefect server on Postgres, a pool, and a worker that most tests share."""

from collections.abc import Iterator

import pytest

from tests.workers.harness.server import Server, own_server
from tests.workers.harness.workers import SELDOM_SECONDS, Pool, Worker, running_worker


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prefect server on a Postgres of its own."""
    with own_server(tmp_path_factory.mktemp("prefect")) as found:
        yield found


@pytest.fixture(scope="package")
def pool(server: Server) -> Pool:
    """The pool that most tests share."""
    return Pool(server)


@pytest.fixture(scope="package")
def warm(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """The worker that most tests share: one slot, one preloaded model."""
    options = {"preload": "models_for_tests:warm_up", "report": "models_for_tests:loaded", "cancel_grace_seconds": "3"}
    with running_worker(pool, tmp_path_factory.mktemp("warm"), **options) as worker:
        yield worker


@pytest.fixture(scope="package")
def pair_pool(server: Server) -> Pool:
    """The pool of `pair`."""
    return Pool(server)


@pytest.fixture(scope="package")
def pair(pair_pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker of two slots, whose processes may use 500 MB."""
    folder = tmp_path_factory.mktemp("pair")
    with running_worker(pair_pool, folder, slots="cpu:2", memory_megabytes="500") as worker:
        yield worker


@pytest.fixture(scope="package")
def seldom_pool(server: Server) -> Pool:
    """The pool of `seldom`."""
    return Pool(server)


@pytest.fixture(scope="package")
def seldom(seldom_pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker of two slots that polls so seldom that an event has told it of whatever it does sooner."""
    folder = tmp_path_factory.mktemp("seldom")
    with running_worker(seldom_pool, folder, query_seconds=str(SELDOM_SECONDS), slots="cpu:2") as worker:
        yield worker
