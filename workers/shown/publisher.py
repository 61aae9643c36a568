"""Publish a worker's status to a file, on a port, and as an artifact in Prefect's UI."""

import asyncio
from collections.abc import Callable
from logging import LoggerAdapter
from typing import Any

from prefect.client.orchestration import PrefectClient

from workers.background_tasks import BackgroundTasks
from workers.options import WarmOptions
from workers.shown.artifact import WorkerArtifact
from workers.shown.metrics import Metrics
from workers.shown.status import WorkerStatus, write_status
from workers.shown.status_server import StatusServer

_FILE_SECONDS = 1.0


class StatusPublisher:
    """Publishes the status of one worker in the ways that its options name; `metrics` takes its measurements."""

    def __init__(self, options: WarmOptions, status: Callable[[], WorkerStatus]) -> None:
        self.metrics = Metrics(status)
        self._options = options
        self._status = status
        self._server: asyncio.Server | None = None
        self._artifact: WorkerArtifact | None = None

    async def start(self, client: PrefectClient, tasks: BackgroundTasks, logger: "LoggerAdapter[Any] | Any") -> None:
        """Start publishing. A port that is in use is logged as an error, and the worker runs without it."""
        options = self._options
        artifact = self._artifact = WorkerArtifact(client, self._status)
        tasks.keep(lambda: artifact.keep_updated(options.artifact_seconds))
        tasks.keep(self._write_file)
        if options.status_port:
            try:
                self._server = await self._status_server().start()
            except OSError as error:
                logger.error("No metrics on port %s: %s", options.status_port, error)

    async def close(self) -> None:
        """Close the port, and say in the artifact that the worker was stopped."""
        if self._server is not None:
            self._server.close()
        if self._artifact is not None:
            await self._artifact.close()

    def _status_server(self) -> StatusServer:
        options = self._options
        token = options.status_token.get_secret_value()
        return StatusServer(options.status_host, options.status_port, token, self._status, self.metrics.text)

    async def _write_file(self) -> None:
        while self._options.status_file is not None:
            write_status(self._options.status_file, self._status())
            await asyncio.sleep(_FILE_SECONDS)
