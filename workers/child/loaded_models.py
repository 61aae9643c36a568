"""Report which models the process has loaded, after each run and whenever it changes in between."""

import threading
import time
from collections.abc import Callable
from typing import Any

from prefect.logging.loggers import get_logger
from prefect.utilities.importtools import import_object
from pydantic import BaseModel

from workers.messages import LoadedModels

_POLL_SECONDS = 2.0


class LoadedModelsReporter:
    """Sends the result of the callable `name` (`module:callable`, returning `{model: bytes}`) when it has changed.

    With an empty name, it reports no models.
    """

    def __init__(self, name: str, send: Callable[[BaseModel], None]) -> None:
        self._name = name
        self._call: Any = import_object(name) if name else dict
        self._send = send
        self._last_sent: dict[str, int] = {}
        self._failed = False
        self._lock = threading.Lock()

    def send_changes(self) -> None:
        """Send the loaded models if they differ from those sent last."""
        with self._lock:
            models = self._read_models()
            if models != self._last_sent:
                self._last_sent = models
                self._send(LoadedModels(models=models))

    def start_polling(self) -> None:
        """Check for changes in a thread, also between runs and during long ones."""
        if self._name:
            threading.Thread(target=self._poll, name="warm-process-loaded-models", daemon=True).start()

    def _poll(self) -> None:
        while True:
            time.sleep(_POLL_SECONDS)
            self.send_changes()

    def _read_models(self) -> dict[str, int]:
        try:
            return {str(model): int(size) for model, size in self._call().items()}
        except Exception:
            # The callable is the user's: runs go on without its report.
            if not self._failed:
                get_logger("worker").exception("%s did not tell the loaded models", self._name)
            self._failed = True
            return {}
