"""The process's end of the socket pair: orders come in on a thread of their own, so a cancel is heard during a run."""

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

from workers.messages import Accepted, Cancel, RunFlow, Stop, Suspend, read_order, to_line


class Channel:
    """Orders for the main thread, and the way to interrupt it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._orders: queue.SimpleQueue[RunFlow | Stop] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._interrupting = threading.Lock()
        self._in_hand: str | None = None

    def listen(self) -> None:
        """Read orders from now on; when the worker is gone, this process ends at once."""
        threading.Thread(target=self._listen, name="warm-process-orders", daemon=True).start()

    def send(self, message: BaseModel) -> None:
        with self._sending:
            self._connection.sendall(to_line(message))

    def next_order(self) -> RunFlow | Stop:
        return self._orders.get()

    def take_in_hand(self, flow_run_id: str) -> None:
        """From now on a cancel of this run interrupts the main thread as soon as the engine listens."""
        control_listener.clear_intent()
        with self._interrupting:
            self._in_hand = flow_run_id

    def let_go(self) -> bool:
        """No cancel interrupts from now on. Whether one did."""
        with self._interrupting:
            self._in_hand = None
        # A signal that was sent just before is delivered on return from this call, not somewhere later.
        signal.pthread_sigmask(signal.SIG_BLOCK, ())
        return control_listener.get_intent() == "cancel"

    def _listen(self) -> None:
        with self._connection.makefile("rb") as lines:
            for line in lines:
                self._heed(read_order(line))
        os._exit(0)

    def _heed(self, order: RunFlow | Cancel | Suspend | Stop) -> None:
        if isinstance(order, Cancel):
            with self._interrupting:
                if order.flow_run_id == self._in_hand:
                    self._interrupt(order.flow_run_id)
        elif isinstance(order, Suspend):
            mark_flow_run_suspension_requested(UUID(order.flow_run_id), State.model_validate(order.state))
        else:
            self._orders.put(order)

    def _interrupt(self, flow_run_id: str) -> None:
        """Tell the engine why, then send the signal that it turns into an exception in the flow."""
        main = threading.main_thread().ident or 0
        # Python runs signal handlers in the main thread; only a signal to that very thread ends what it waits for.
        trigger: Callable[[], None] = lambda: signal.pthread_kill(main, signal.SIGTERM)  # noqa: E731
        commit_control_intent_and_ack(
            commit_intent=lambda: control_listener._set_intent("cancel"),  # pyright: ignore[reportPrivateUsage]
            clear_intent=control_listener.clear_intent,
            send_ack=lambda: self.send(Accepted(flow_run_id=flow_run_id)),
            trigger_cancel=trigger,
        )
