"""The pool: models loaded once, kept, and let go when memory runs short."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import psutil

from modalities.catalogue import Catalogue
from modalities.errors import InvalidCatalogue, NotEnoughMemory
from modalities.operator import ModelSpec, Operator, Request
from modalities.weights import WeightsLocator
from storage.recipes import Recipe


@dataclass
class _Slot:
    """One model's place in the pool; the lock is held across a load, so that nobody loads it twice."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    operator: Operator[Any] | None = None
    weights_digest: str = ""
    memory_bytes: int = 0
    users: int = 0
    last_used: float = 0.0


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model as `triptych status` shows it; memory is the growth of this process at load."""

    name: str
    memory_bytes: int
    idle_seconds: float


class OperatorPool:
    """The models of one process."""

    def __init__(self, catalogue: Catalogue, weights: WeightsLocator, memory_limit_bytes: int | None = None) -> None:
        self.catalogue = catalogue
        self._weights = weights
        self._limit = memory_limit_bytes or int(psutil.virtual_memory().total * 0.8)
        self._slots: dict[str, _Slot] = {}
        self._lock = threading.Lock()

    def recipe(self, request: Request[Any]) -> Recipe:
        """The recipe of a request; loads no model."""
        spec = self.catalogue.spec(request.model)
        return Recipe(
            operator=f"{spec.operator}:{type(request).__name__}",
            version=_operator_class(spec).version,
            weights=self._weights.digest(spec),
            request=request.model_dump(mode="json") | {"options": spec.options, "dtype": spec.dtype},
            inputs=tuple(artifact.sha256 for artifact in request.artifacts()),
        )

    def digest(self, model: str) -> str:
        """The digest of a model's weights; loads no model."""
        return self._weights.digest(self.catalogue.spec(model))

    @contextmanager
    def operator(self, model: str) -> Generator[Operator[Any]]:
        """A loaded model, which stays loaded at least as long as the context."""
        slot = self._enter(model)
        try:
            with slot.lock:
                if slot.operator is None:
                    self._load(model, slot)
            assert slot.operator is not None
            yield slot.operator
        finally:
            with self._lock:
                slot.users -= 1
                slot.last_used = time.monotonic()

    def loaded(self) -> list[LoadedModel]:
        """What is in memory now, most recently used first."""
        now = time.monotonic()
        with self._lock:
            models = [
                LoadedModel(name, slot.memory_bytes, 0.0 if slot.users else now - slot.last_used)
                for name, slot in self._slots.items()
                if slot.operator is not None
            ]
        return sorted(models, key=lambda model: model.idle_seconds)

    def _enter(self, model: str) -> _Slot:
        self.catalogue.spec(model)
        with self._lock:
            slot = self._slots.setdefault(model, _Slot())
            slot.users += 1
            return slot

    def _load(self, model: str, slot: _Slot) -> None:
        spec = self.catalogue.spec(model)
        self._make_room(model, (spec.memory_mb or 0) * 1_000_000)
        before = psutil.Process().memory_info().rss
        slot.operator = _operator_class(spec).load(spec, self._weights.locate(spec))
        measured = psutil.Process().memory_info().rss - before
        slot.memory_bytes = max(measured, 0)

    def _make_room(self, model: str, needed: int) -> None:
        """Let go of idle models, the longest unused first, until `needed` bytes fit under the limit."""
        if needed > self._limit:
            raise NotEnoughMemory(
                f"The model {model} needs {needed / 1e9:.1f} GB and the limit is {self._limit / 1e9:.1f} GB."
            )
        with self._lock:
            idle = sorted(
                (slot for slot in self._slots.values() if slot.operator is not None and not slot.users),
                key=lambda slot: slot.last_used,
            )
            used = sum(slot.memory_bytes for slot in self._slots.values() if slot.operator is not None)
            for slot in idle:
                if used + needed <= self._limit:
                    return
                used -= slot.memory_bytes
                slot.operator, slot.memory_bytes = None, 0


def _operator_class(spec: ModelSpec) -> type[Operator[Any]]:
    """The class that `operator: module:Class` names."""
    module, _, name = spec.operator.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidCatalogue(f"The operator {spec.operator} of the model {spec.name} does not exist.") from error
