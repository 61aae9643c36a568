"""The worker's side of one slot: a process that is started, handed runs, watched, replaced."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from logging import LoggerAdapter
from typing import Any

from prefect.settings import get_current_settings
from pydantic import BaseModel

from workers.messages import (
    LINE_BYTES,
    Accepted,
    Cancel,
    Done,
    Holds,
    Ready,
    RunFlow,
    Stale,
    Stop,
    read_answer,
    to_line,
)
from workers.options import SlotSpec
from workers.parent.process import resident_bytes, told_exit
from workers.shown.status import SlotStatus

_SHORTEST_LIFE_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_LAST_WORDS_SECONDS = 1.0
_STOP_SECONDS = 15.0


class ProcessEnded(Exception):
    """The process of a slot ended while it had a run in hand."""


class Slot:
    """One place for one run. `flow_run_id` is set from when the place is taken until it is free again."""

    def __init__(self, spec: SlotSpec, environment: Mapping[str, str], logger: "LoggerAdapter[Any] | Any") -> None:
        self.spec = spec
        self.name = spec.name
        self.environment = {**environment, **spec.environment}
        self.flow_run_id: str | None = None
        self.models: dict[str, int] = {}
        self.problem: str | None = None
        self.runs_done = 0
        self.runs_of_process = 0
        self.starts = 0
        self.reloads = 0
        self._logger = logger
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._ready = asyncio.Event()
        self._answer: asyncio.Future[Done | Stale] | None = None
        self._accepted = asyncio.Event()
        self._closing = False
        self._once_loaded: set[str] = set()
        self._killed_for: str | None = None

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
        """What the process holds, with everything that it started."""
        return resident_bytes(self.pid)

    async def keep(self) -> None:
        """Have a process until `close`: a new one when it ends, later and later while it ends at once."""
        wait = 0.0
        while not self._closing:
            started = time.monotonic()
            try:
                await self._live()
            except OSError as error:
                self._logger.warning("No process could be started for slot %s: %s", self.name, error)
            wait = (
                min(_LONGEST_WAIT_SECONDS, wait * 2 + 0.5) if time.monotonic() - started < _SHORTEST_LIFE_SECONDS else 0
            )
            # A process that was asked to go, or that crashed after long use, is replaced without delay.
            await asyncio.sleep(wait if self.runs_of_process == 0 else 0)

    async def execute(self, order: RunFlow) -> Done | Stale:
        """Hand the run over and wait for its end. Raises ProcessEnded."""
        await self._ready.wait()
        self._answer = asyncio.get_running_loop().create_future()
        self._accepted.clear()
        self.runs_of_process += 1
        self._send(order)
        try:
            return await self._answer
        finally:
            self._answer = None

    async def cancel(self, flow_run_id: str, seconds: float) -> bool:
        """Ask the engine to cancel its run; False when it does not listen yet, or no more."""
        self._send(Cancel(flow_run_id=flow_run_id))
        try:
            await asyncio.wait_for(self._accepted.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def tell(self, message: BaseModel) -> None:
        """Send what needs no answer."""
        self._send(message)

    def recycle(self) -> None:
        """Let the process end after what it does now; `keep` starts a new one."""
        self._ready.clear()
        self._send(Stop())
        # A thread that a flow left behind could hold the old process, and with it the slot, for ever.
        asyncio.get_running_loop().call_later(_STOP_SECONDS, self._kill_if_still, self.pid)

    def kill(self, reason: str | None = None) -> None:
        """End the process now, with everything that it started; the run in hand says why, if there is a reason."""
        if self._process is not None and self._process.poll() is None:
            self._killed_for = reason
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _kill_if_still(self, pid: int) -> None:
        if self.pid == pid and not self.ready:
            self.kill()

    async def close(self, seconds: float) -> None:
        """End the process for good: politely, then not."""
        self._closing = True
        self._send(Stop())
        deadline = time.monotonic() + seconds
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        self.kill()

    def status(self) -> SlotStatus:
        """What it does now."""
        return SlotStatus(
            slot=self.name,
            pid=self.pid,
            ready=self.ready,
            flow_run_id=self.flow_run_id,
            runs_done=self.runs_done,
            reloads=self.reloads,
            restarts=max(0, self.starts - 1),
            resident_bytes=self.resident_bytes,
            models=self.models,
            problem=self.problem,
        )

    async def _live(self) -> None:
        """Start a process and read its answers until it is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - vfork: a millisecond
                [sys.executable, "-m", "workers.child", str(theirs.fileno())],
                env=self.environment,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.starts += 1
        self.runs_of_process = 0
        self._killed_for = None
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=LINE_BYTES)
        reading = asyncio.create_task(self._read(reader))
        # Not the end of the stream: a process that the flow forked would hold it open.
        while (code := self._process.poll()) is None:  # noqa: ASYNC110 - waitpid has no other portable form
            await asyncio.sleep(_LOOK_SECONDS)
        await asyncio.wait([reading], timeout=_LAST_WORDS_SECONDS)
        reading.cancel()
        self._ready.clear()
        self._writer.close()
        self._end_what_is_left()
        self._lost(code)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                self._heed(read_answer(line))

    def _heed(self, answer: Ready | Holds | Accepted | Stale | Done) -> None:
        if isinstance(answer, Accepted):
            self._accepted.set()
        elif isinstance(answer, Holds):
            loads = answer.models.keys() - self.models.keys()
            self.reloads += len(loads & self._once_loaded)
            self._once_loaded |= loads
            self.models = answer.models
        elif isinstance(answer, Ready):
            self.problem = answer.problem
            self._ready.set()
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def _lost(self, code: int) -> None:
        self.models = {}
        if self._answer is not None and not self._answer.done():
            how = f"was killed: {self._killed_for}" if self._killed_for else f"{told_exit(code)} during this run."
            self._answer.set_exception(ProcessEnded(f"The process of slot {self.name} {how}"))
        elif code and not self._closing:
            self._logger.warning("The process of slot %s %s; a new one starts", self.name, told_exit(code))

    def _end_what_is_left(self) -> None:
        # What a flow started and left behind shares the process's session.
        with suppress(ProcessLookupError, PermissionError):
            if self._process is not None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def _send(self, message: BaseModel) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(to_line(message))


def process_environment() -> dict[str, str]:
    """What each process starts with: the worker's environment, and the settings of its Prefect profile."""
    # A server that is away for some minutes must cost neither a run that is in hand nor a process that starts. The
    # worker has compared its version with the server's; a client that does it anew fails where it cannot ask.
    patience = {"PREFECT_CLIENT_MAX_RETRIES": "8", "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false"}
    return {**patience, **os.environ, **get_current_settings().to_environment_variables(exclude_unset=True)}
