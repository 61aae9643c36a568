"""Where a worker shows what its slots do: a file, a port, and an artifact in Prefect's UI."""

import asyncio
from collections.abc import Callable
from logging import LoggerAdapter
from typing import Any

from prefect.client.orchestration import PrefectClient

from workers.options import WarmOptions
from workers.shown.artifact import WorkerArtifact
from workers.shown.metrics import Metrics
from workers.shown.status import StatusPort, WorkerStatus, write_status
from workers.tasks import Tasks

_FILE_SECONDS = 1.0


class Showing:
    """The ways in which one worker shows its status."""

    def __init__(self, options: WarmOptions, status: Callable[[], WorkerStatus]) -> None:
        self.metrics = Metrics(status)
        self._options = options
        self._status = status
        self._server: asyncio.Server | None = None
        self._artifact: WorkerArtifact | None = None

    async def start(self, client: PrefectClient, tasks: Tasks, logger: "LoggerAdapter[Any] | Any") -> None:
        """Begin. A port that is taken costs the metrics and not the worker."""
        options = self._options
        self._artifact = WorkerArtifact(client, self._status)
        tasks.start(self._artifact.keep(options.artifact_seconds))
        tasks.start(self._write_file())
        if options.status_port:
            try:
                self._server = await self._port().open()
            except OSError as error:
                logger.error("No metrics on port %s: %s", options.status_port, error)

    async def close(self) -> None:
        """Say goodbye where that is possible."""
        if self._server is not None:
            self._server.close()
        if self._artifact is not None:
            await self._artifact.close()

    def _port(self) -> StatusPort:
        options = self._options
        token = options.status_token.get_secret_value()
        return StatusPort(options.status_host, options.status_port, token, self._status, self.metrics.text)

    async def _write_file(self) -> None:
        while self._options.status_file is not None:
            write_status(self._options.status_file, self._status())
            await asyncio.sleep(_FILE_SECONDS)
