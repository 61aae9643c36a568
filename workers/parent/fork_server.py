"""The worker's end of the fork server `workers.child`, which forks the processes of the slots."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from workers.messages import MAX_ENVIRONMENT_BYTES


class ForkedProcess:
    """A process that the fork server has forked; the leader of a session of its own."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exit_code: int | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Wait for the exit code, negative for a signal."""
        await self._ended.wait()
        return self.exit_code or 0

    def set_exit_code(self, code: int) -> None:
        self.exit_code = code
        self._ended.set()

    def kill_group(self) -> None:
        """Kill the process, if it still runs, and the subprocesses that a flow left running."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


class ForkServer:
    """Starts the fork server with the first process, and again if it has ended. Its processes end with it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self._connection: socket.socket | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._processes: dict[int, ForkedProcess] = {}
        self._forking = asyncio.Lock()
        self._forked: asyncio.Future[ForkedProcess] | None = None

    async def fork(self, connection: socket.socket, environment: Mapping[str, str]) -> ForkedProcess:
        """Fork a process that serves the other end of `connection`. Raises OSError if the server has ended."""
        async with self._forking:
            if self._connection is None:
                self._start()
            self._forked = asyncio.get_running_loop().create_future()
            assert self._connection is not None
            socket.send_fds(self._connection, [json.dumps(dict(environment)).encode()], [connection.fileno()])
            return await self._forked

    def close(self) -> None:
        """End the server, and with it the processes that still run."""
        if self._connection is not None:
            self._closed(self._connection)

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_ENVIRONMENT_BYTES)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "workers.child", str(theirs.fileno())],
                env=self.environment,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        ours.setblocking(False)
        self._connection = ours
        asyncio.get_running_loop().add_reader(ours, self._receive, ours)

    def _receive(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(4096)
        except ConnectionError:
            data = b""
        if not data:
            self._closed(connection)
            return
        message = json.loads(data)
        if "code" in message:
            self._processes.pop(message["pid"]).set_exit_code(message["code"])
        else:
            process = self._processes[message["pid"]] = ForkedProcess(message["pid"])
            if self._forked is not None and not self._forked.done():
                self._forked.set_result(process)

    def _closed(self, connection: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(connection)
        connection.close()
        self._connection = None
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        if self._forked is not None and not self._forked.done():
            self._forked.set_exception(ConnectionResetError("the fork server has ended"))
        for process in self._processes.values():
            process.set_exit_code(
                -signal.SIGKILL
            )  # the kernel's answer to the death of the server, see die_with_parent
        self._processes.clear()
