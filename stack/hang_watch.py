"""Detect that a process hangs: it runs, but has not answered its health check for a long time."""

import threading
import time
from collections.abc import Callable

_ASK_SECONDS = 10.0
_HUNG_SECONDS = 90.0
"""Long, because a busy machine is no reason to end a server."""


class HangWatch:
    """Runs a health check every few seconds, in a thread, since a hung process may never answer."""

    def __init__(
        self, responds: Callable[[], bool], *, ask_seconds: float = _ASK_SECONDS, hung_seconds: float = _HUNG_SECONDS
    ) -> None:
        self._responds = responds
        self._ask_seconds, self._hung_seconds = ask_seconds, hung_seconds
        self._asking: threading.Thread | None = None
        self.reset()

    def reset(self) -> None:
        """Reset the timer, because the process was started again."""
        self._last_answer = self._last_question = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """How long there has been no answer."""
        return time.monotonic() - self._last_answer

    def is_hung(self) -> bool:
        """Start a health check if one is due; return at once whether there has been no answer for too long."""
        is_asking = self._asking is not None and self._asking.is_alive()
        if not is_asking and time.monotonic() - self._last_question >= self._ask_seconds:
            self._last_question = time.monotonic()
            self._asking = threading.Thread(target=self._ask, daemon=True)
            self._asking.start()
        return self.silent_seconds > self._hung_seconds

    def _ask(self) -> None:
        asked = time.monotonic()
        try:
            answered = self._responds()
        except Exception:  # of any kind: it is no answer
            return
        if answered:
            self._last_answer = max(self._last_answer, asked)
