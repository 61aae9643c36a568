"""A slot: has a child process forked, sends it runs, and replaces it when it ends."""

import asyncio
import os
import socket
import time
from contextlib import suppress
from logging import LoggerAdapter
from typing import Any

from prefect.settings import get_current_settings
from pydantic import BaseModel

from workers.messages import (
    MAX_LINE_BYTES,
    Cancel,
    CancelAccepted,
    Done,
    LoadedModels,
    Ready,
    RunFlow,
    Stale,
    Stop,
    encode,
    parse_reply,
)
from workers.options import SlotSpec
from workers.parent.fork_server import ForkedProcess, ForkServer
from workers.parent.process import describe_exit, resident_bytes
from workers.shown.status import SlotStatus

_MIN_LIFE_SECONDS = 5.0
_MAX_BACKOFF_SECONDS = 30.0
_FLUSH_SECONDS = 1.0
_STOP_SECONDS = 15.0
_MEMORY_SECONDS = 5.0


class ProcessEnded(Exception):
    """The process of a slot ended while it executed a run."""


class Slot:
    """Executes one run at a time. `flow_run_id` is set while the slot is reserved for a run."""

    def __init__(self, spec: SlotSpec, fork_server: ForkServer, logger: "LoggerAdapter[Any] | Any") -> None:
        self.spec = spec
        self.name = spec.name
        self.environment = {**fork_server.environment, **spec.environment}
        self.flow_run_id: str | None = None
        self.models: dict[str, int] = {}
        self.problem: str | None = None
        self.runs_done = 0
        self.runs_of_process = 0
        self.starts = 0
        self.reloads = 0
        self._logger = logger
        self._fork_server = fork_server
        self._process: ForkedProcess | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._ready = asyncio.Event()
        self._reply: asyncio.Future[Done | Stale] | None = None
        self._accepted = asyncio.Event()
        self._closing = False
        self._ever_loaded: set[str] = set()
        self._kill_reason: str | None = None
        self._measured = (0, 0.0, 0)
        """Of the last measurement of memory: the process id, the time, and the bytes."""

    @property
    def idle(self) -> bool:
        return self._ready.is_set() and self.flow_run_id is None and not self._closing

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the process and its descendants, measured now."""
        return resident_bytes(self.pid)

    def _recent_resident_bytes(self) -> int:
        """The same as measured at most _MEMORY_SECONDS ago: the kernel reads every page table of the process."""
        pid, measured_at, _ = self._measured
        if pid != self.pid or time.monotonic() - measured_at > _MEMORY_SECONDS:
            self._measured = (self.pid, time.monotonic(), self.resident_bytes)
        return self._measured[2]

    async def supervise(self) -> None:
        """Restart the process whenever it ends, until `close`; with exponential backoff while it ends at once."""
        backoff = 0.0
        while not self._closing:
            started = time.monotonic()
            try:
                await self._run_process()
            except OSError as error:
                self._logger.warning("No process could be started for slot %s: %s", self.name, error)
            ended_at_once = time.monotonic() - started < _MIN_LIFE_SECONDS
            backoff = min(_MAX_BACKOFF_SECONDS, backoff * 2 + 0.5) if ended_at_once else 0.0
            # A process that executed runs is replaced without delay, whether it was recycled or crashed.
            await asyncio.sleep(backoff if self.runs_of_process == 0 else 0)

    async def execute(self, command: RunFlow) -> Done | Stale:
        """Send the run to the process and wait for the reply. Raises ProcessEnded."""
        await self._ready.wait()
        self._reply = asyncio.get_running_loop().create_future()
        self._accepted.clear()
        self.runs_of_process += 1
        self.send(command)
        try:
            return await self._reply
        finally:
            self._reply = None

    async def cancel(self, flow_run_id: str, seconds: float) -> bool:
        """Request the cancellation of the run. Returns False if the engine does not accept it within `seconds`."""
        self.send(Cancel(flow_run_id=flow_run_id))
        try:
            await asyncio.wait_for(self._accepted.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def send(self, message: BaseModel) -> None:
        """Send a command without waiting for a reply; do nothing if there is no connection."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))

    def recycle(self) -> None:
        """Stop the process after its current run; `supervise` starts a new one."""
        self._ready.clear()
        self.send(Stop())
        # A thread that a flow left running could keep the old process, and with it the slot, alive for ever.
        asyncio.get_running_loop().call_later(_STOP_SECONDS, self._kill_if_same_process, self.pid)

    def kill(self, reason: str | None = None) -> None:
        """Kill the process group with SIGKILL; `reason` becomes part of the error of the current run."""
        if self._process is not None and self._process.exit_code is None:
            self._kill_reason = reason
            self._process.kill_group()

    def _kill_if_same_process(self, pid: int) -> None:
        if self.pid == pid and not self.ready:
            self.kill()

    async def close(self, seconds: float) -> None:
        """Stop the process and do not replace it; kill it if it still runs after `seconds`."""
        self._closing = True
        self.send(Stop())
        if self._process is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)
        self.kill()

    def status(self) -> SlotStatus:
        """Take a snapshot of the slot."""
        return SlotStatus(
            slot=self.name,
            pid=self.pid,
            ready=self.ready,
            flow_run_id=self.flow_run_id,
            runs_done=self.runs_done,
            reloads=self.reloads,
            restarts=max(0, self.starts - 1),
            resident_bytes=self._recent_resident_bytes(),
            models=self.models,
            problem=self.problem,
        )

    async def _run_process(self) -> None:
        """Start a process and read its replies until it has ended."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = self._process = await self._fork_server.fork(theirs, self.environment)
        except BaseException:
            ours.close()
            raise
        self.starts += 1
        self.runs_of_process = 0
        self._kill_reason = None
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=MAX_LINE_BYTES)
        reading = asyncio.create_task(self._read(reader))
        code = await process.wait()
        # The stream may stay open: a process that the flow forked inherits it.
        await asyncio.wait([reading], timeout=_FLUSH_SECONDS)
        reading.cancel()
        self._ready.clear()
        self._writer.close()
        process.kill_group()
        self._process_ended(code)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                self._handle(parse_reply(line))

    def _handle(self, reply: Ready | LoadedModels | CancelAccepted | Stale | Done) -> None:
        if isinstance(reply, CancelAccepted):
            self._accepted.set()
        elif isinstance(reply, LoadedModels):
            loads = reply.models.keys() - self.models.keys()
            self.reloads += len(loads & self._ever_loaded)
            self._ever_loaded |= loads
            self.models = reply.models
        elif isinstance(reply, Ready):
            self.problem = reply.problem
            self._ready.set()
        elif self._reply is not None and not self._reply.done():
            self._reply.set_result(reply)

    def _process_ended(self, code: int) -> None:
        self.models = {}
        if self._reply is not None and not self._reply.done():
            how = f"was killed: {self._kill_reason}" if self._kill_reason else f"{describe_exit(code)} during this run."
            self._reply.set_exception(ProcessEnded(f"The process of slot {self.name} {how}"))
        elif code and not self._closing:
            self._logger.warning("The process of slot %s %s; a new one starts", self.name, describe_exit(code))


def process_environment() -> dict[str, str]:
    """Return the environment of child processes: the worker's own, and the settings of its Prefect profile."""
    # An outage of the server for some minutes must fail neither a run nor the start of a process. The version check is
    # off because it fails without retries, and because the worker has already made it.
    outage = {"PREFECT_CLIENT_MAX_RETRIES": "8", "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false"}
    return {**outage, **os.environ, **get_current_settings().to_environment_variables(exclude_unset=True)}
