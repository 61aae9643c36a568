"""A Prefect server of the tests' own, which they may stop and start, its API spoken to as any client would."""

import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from stack.processes import free_ports, stop_process
from stack.servers import postgres
from stack.servers import prefect as prefect_server

_PROFILE = """active = "tests"

[profiles.tests]
PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS = "2"
"""
"""The settings of the server. A run waits so long before it asks for a place under a limit again, not half a minute."""
STANDSTILL = 120
"""Seconds that a server on SQLite may say nothing: at times it stands still for a minute, see docs/warm-pools.md."""


_RETRIED = (httpx.codes.INTERNAL_SERVER_ERROR, httpx.codes.SERVICE_UNAVAILABLE)


class Server:
    """A Prefect server, its API spoken to as any client would."""

    def __init__(self, home: Path, database: str, port: int) -> None:
        self._home, self._database, self._port = home, database, port
        self.url = f"http://127.0.0.1:{port}/api"
        self.api = httpx.Client(base_url=self.url, timeout=STANDSTILL)

    def start(self) -> None:
        profiles = self._home / "data" / "prefect" / "profiles.toml"
        profiles.parent.mkdir(parents=True, exist_ok=True)
        profiles.write_text(_PROFILE, encoding="utf-8")
        prefect_server.start_server(self._home, self._home, database=self._database, port=self._port)

    def stop(self) -> None:
        stop_process(self._home, prefect_server.SERVER)

    def get(self, path: str, **query: Any) -> Any:
        return self._answer("GET", path, params=query)

    def post(self, path: str, **body: Any) -> Any:
        return self._answer("POST", path, json=body)

    def post_list(self, path: str, body: list[dict[str, Any]]) -> Any:
        return self._answer("POST", path, json=body)

    def _answer(self, method: str, path: str, **more: Any) -> Any:
        """Send a request; repeat it while the server is too busy or its database restarts, as Prefect's client does."""
        deadline = time.monotonic() + STANDSTILL
        while (answer := self.api.request(method, path, **more)).status_code in _RETRIED:
            assert time.monotonic() < deadline, "the server stayed too busy"
            time.sleep(0.5)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def environment(self) -> dict[str, str]:
        return {
            "PREFECT_HOME": str(self._home / "client"),
            "PREFECT_API_URL": self.url,
            # SQLite lets one write at a time: who asks five times a second keeps the others out.
            "PREFECT_WORKER_QUERY_SECONDS": "2" if self._database.startswith("sqlite") else "0.2",
            "PREFECT_WORKER_PREFETCH_SECONDS": "0",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.5",
            "DO_NOT_TRACK": "1",
            "OMP_NUM_THREADS": "1",
        }


@contextmanager
def own_server(home: Path, *, sqlite: bool = False) -> Generator[Server]:
    """A Prefect server on a Postgres of its own, or on SQLite; stopped at the end."""
    ports = free_ports(2)
    if sqlite:
        database = f"sqlite+aiosqlite:///{home}/prefect.db"
    else:
        password = secrets.token_hex(16)
        postgres.start_postgres(home, port=ports[0], password=password)
        database = postgres.dsn(ports[0], password, "prefect", "postgresql+asyncpg")
    server = Server(home, database, ports[1])
    try:
        server.start()
        yield server
    finally:
        server.stop()
        stop_process(home, postgres.NAME, postgres.STOP_SIGNAL)
