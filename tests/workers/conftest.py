"""A real Prefect server on Postgres for the session, and a warm worker that most tests share."""

import secrets
from collections.abc import Iterator

import pytest

from gateway import postgres
from gateway.processes import free_ports, stop_process
from tests.workers.harness import Pool, Server, Worker, running_worker


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prefect server on a Postgres of its own."""
    home = tmp_path_factory.mktemp("prefect")
    ports = free_ports(2)
    password = secrets.token_hex(16)
    postgres.start_postgres(home, port=ports[0], password=password)
    database = postgres.dsn(ports[0], password, "prefect", "postgresql+asyncpg")
    found = Server(home, database, ports[1])
    try:
        found.start()
        yield found
    finally:
        found.stop()
        stop_process(home, postgres.NAME)


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
