"""The child's end of the socket pair: a thread reads commands, so that a cancel can interrupt a running flow."""

import os
import queue
import signal
import socket
import threading
from collections.abc import Callable
from uuid import UUID

from prefect._flow_run_suspension import mark_flow_run_suspension_requested
from prefect._internal import control_listener
from prefect.client.schemas.objects import State
from prefect.utilities.engine import commit_control_intent_and_ack
from pydantic import BaseModel

from workers.messages import Cancel, CancelAccepted, RunFlow, Stop, Suspend, encode, parse_command


class Channel:
    """Queues commands for the main thread, and interrupts it when its run is cancelled."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._commands: queue.SimpleQueue[RunFlow | Stop] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._interrupting = threading.Lock()
        self._current_run: str | None = None

    def start_reading(self) -> None:
        """Read commands in a thread; when the worker closes the socket, the process exits at once."""
        threading.Thread(target=self._read_commands, name="warm-process-commands", daemon=True).start()

    def send(self, message: BaseModel) -> None:
        with self._sending:
            self._connection.sendall(encode(message))

    def next_command(self) -> RunFlow | Stop:
        """Block until there is a command for the main thread."""
        return self._commands.get()

    def begin_run(self, flow_run_id: str) -> None:
        """Allow a cancel of this run to interrupt the main thread, as soon as Prefect's engine has its handler."""
        control_listener.clear_intent()
        with self._interrupting:
            self._current_run = flow_run_id

    def end_run(self) -> bool:
        """Allow no further interruption. Returns whether the run was cancelled."""
        with self._interrupting:
            self._current_run = None
        # A signal that was sent just before is delivered on return from this call, not somewhere later.
        signal.pthread_sigmask(signal.SIG_BLOCK, ())
        return control_listener.get_intent() == "cancel"

    def _read_commands(self) -> None:
        with self._connection.makefile("rb") as lines:
            for line in lines:
                self._handle(parse_command(line))
        os._exit(0)

    def _handle(self, command: RunFlow | Cancel | Suspend | Stop) -> None:
        if isinstance(command, Cancel):
            with self._interrupting:
                if command.flow_run_id == self._current_run:
                    self._interrupt(command.flow_run_id)
        elif isinstance(command, Suspend):
            mark_flow_run_suspension_requested(UUID(command.flow_run_id), State.model_validate(command.state))
        else:
            self._commands.put(command)

    def _interrupt(self, flow_run_id: str) -> None:
        """Record the intent "cancel" for the engine, then send the signal that it turns into an exception."""
        main = threading.main_thread().ident or 0
        # Python runs signal handlers in the main thread; only a signal to that very thread interrupts its system calls.
        trigger: Callable[[], None] = lambda: signal.pthread_kill(main, signal.SIGTERM)  # noqa: E731
        commit_control_intent_and_ack(
            commit_intent=lambda: control_listener._set_intent("cancel"),  # pyright: ignore[reportPrivateUsage]
            clear_intent=control_listener.clear_intent,
            send_ack=lambda: self.send(CancelAccepted(flow_run_id=flow_run_id)),
            trigger_cancel=trigger,
        )
