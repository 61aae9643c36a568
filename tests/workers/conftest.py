"""Session fixtures: a Prefect server on Postgres, a work pool, and a warm worker that most tests share."""

from collections.abc import Iterator

import pytest

from tests.workers.harness import Pool, Server, Worker, own_server, running_worker


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prefect server on a Postgres of its own."""
    with own_server(tmp_path_factory.mktemp("prefect")) as found:
        yield found


@pytest.fixture(scope="session")
def pool(server: Server) -> Pool:
    """The pool that most tests share."""
    return Pool(server)


@pytest.fixture(scope="session")
def warm(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """The worker that most tests share: one slot, one preloaded model."""
    options = {"preload": "models_for_tests:warm_up", "report": "models_for_tests:loaded", "cancel_grace_seconds": "3"}
    with running_worker(pool, tmp_path_factory.mktemp("warm"), **options) as worker:
        yield worker
