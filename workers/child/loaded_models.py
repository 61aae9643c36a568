"""The models that a process holds, told to the worker whenever they change: at runs, and when idle ones are let go."""

import threading
import time
from collections.abc import Callable
from typing import Any

from prefect.logging.loggers import get_logger
from prefect.utilities.importtools import import_object
from pydantic import BaseModel

from workers.messages import Holds

_LOOK_SECONDS = 2.0


class Holdings:
    """Asks the callable `name` (`module:callable`) for `{model: bytes}`; an empty name: nothing to ask."""

    def __init__(self, name: str, send: Callable[[BaseModel], None]) -> None:
        self._name = name
        self._ask: Any = import_object(name) if name else dict
        self._send = send
        self._told: dict[str, int] = {}
        self._failed = False
        self._lock = threading.Lock()

    def tell(self) -> None:
        """Send what changed since the last time."""
        with self._lock:
            models = self._models()
            if models != self._told:
                self._told = models
                self._send(Holds(models=models))

    def keep_telling(self) -> None:
        """Look from now on, also between runs and during long ones."""
        if self._name:
            threading.Thread(target=self._look, name="warm-process-holdings", daemon=True).start()

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            self.tell()

    def _models(self) -> dict[str, int]:
        try:
            return {str(model): int(size) for model, size in self._ask().items()}
        except Exception:
            # Somebody's callable: runs go on without what it tells.
            if not self._failed:
                get_logger("worker").exception("%s did not tell the loaded models", self._name)
            self._failed = True
            return {}
