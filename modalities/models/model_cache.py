"""Decide which models of a process stay loaded: admission by memory, LRU eviction, and unloading after idle time."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from modalities.contract import Operator
from modalities.errors import NotEnoughMemory
from modalities.models import memory
from modalities.models.memory import Memory
from modalities.models.memory_footprints import MemoryFootprint

_WAIT_SECONDS = 600.0
_NO_MEMORY = Memory()


@dataclass(frozen=True)
class CacheLimits:
    """The memory budget of the models of one process, and how long an unused model stays loaded."""

    memory_bytes: int | None = None
    """None: a share of the memory of the machine, or of its container."""
    cuda_bytes: int | None = None
    """None: a share of the memory of the GPU."""
    idle_seconds: float | None = None
    """None: an unused model is only evicted when another one needs its memory."""


@dataclass
class CacheEntry:
    """One model in the cache. `lock` is held while the model loads, so that two threads never load it twice."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    operator: Operator[Any] | None = None
    weights: str = ""
    """The digest of the loaded weights."""
    resident: Memory = _NO_MEMORY
    """Memory that the loaded model occupies while it is idle."""
    peak: Memory = _NO_MEMORY
    """The most memory that it occupies while it loads or runs."""
    usage_before_load: Memory | None = None
    """Memory of the process before the load; None once the first run was measured."""
    users: int = 0
    last_used: float = 0.0

    @property
    def charged(self) -> Memory:
        """Memory that counts against the budget now."""
        return self.peak if self.users else self.resident

    @property
    def footprint(self) -> MemoryFootprint:
        resident, peak = self.resident, self.peak
        return MemoryFootprint(
            resident=resident.resident,
            resident_peak=max(resident.resident, peak.resident),
            cuda=resident.cuda,
            cuda_peak=max(resident.cuda, peak.cuda),
        )

    def unload(self) -> None:
        """Drop the reference to the model and reset what was measured of it."""
        self.operator, self.resident, self.peak, self.usage_before_load = None, _NO_MEMORY, _NO_MEMORY, None
        self.weights = ""


class ModelCache:
    """The models of one process, within a memory budget."""

    def __init__(self, limits: CacheLimits) -> None:
        self._limits = limits
        self._entries: dict[str, CacheEntry] = {}
        self._changed = threading.Condition()
        self._acquired = 0
        self._timer: threading.Timer | None = None

    @property
    def budget(self) -> Memory:
        return memory.default_budget(self._limits.memory_bytes, self._limits.cuda_bytes)

    def check_fits(self, model: str, need: Memory) -> None:
        """Raise NotEnoughMemory if `need` exceeds the whole budget."""
        if not need.fits(self.budget):
            raise self.too_large(model, need)

    def too_large(self, model: str, need: Memory) -> NotEnoughMemory:
        """Return the error for a model that can never be loaded here."""
        return NotEnoughMemory(f"The model {model} needs {need}, and models may take {self.budget} here.")

    def acquire(self, model: str) -> tuple[CacheEntry, int]:
        """Return the model's entry, pinned until `release`, and the sequence number of this acquisition."""
        with self._changed:
            entry = self._entries.setdefault(model, CacheEntry())
            entry.users += 1
            self._acquired += 1
            return entry, self._acquired

    def release(self, entry: CacheEntry) -> None:
        """Unpin an entry. A model that has turned out larger than the budget is unloaded at once."""
        with self._changed:
            entry.users -= 1
            entry.last_used = time.monotonic()
            too_large = not entry.users and not entry.peak.fits(self.budget)
            if too_large:
                entry.unload()
            self._changed.notify_all()
            is_timer_set = self._timer is not None
        if too_large:
            memory.release_unused()
        if not is_timer_set:
            self.unload_expired()

    @contextmanager
    def pinned(self) -> Generator[set[str]]:
        """Yield the names of the models in use; no model is acquired or released within the context."""
        with self._changed:
            yield {name for name, entry in self._entries.items() if entry.users}

    def is_only_user(self, acquisition: int) -> bool:
        """Whether this acquisition is the latest one and no other is active."""
        with self._changed:
            return self._acquired == acquisition and sum(entry.users for entry in self._entries.values()) == 1

    def reserve(self, model: str, entry: CacheEntry, need: Memory) -> None:
        """Charge `need` to the entry: evict idle models, and wait for models in use. Raises NotEnoughMemory."""
        deadline = time.monotonic() + _WAIT_SECONDS
        with self._changed:
            while not self.evict_for(model, need):
                if not self._changed.wait(deadline - time.monotonic()):
                    raise NotEnoughMemory(
                        f"The model {model} needs {need} of {self.budget}, and models that are in use hold "
                        f"{self._charged_to_others(model)} of it: try again later."
                    )
            entry.peak = need

    def evict_for(self, model: str, need: Memory) -> bool:
        """Evict idle models, least recently used first, until `need` fits beside the others; whether it does."""
        evicted = False
        with self._changed:
            budget, idle = self.budget, self._idle()
            while not (fits := (self._charged_to_others(model) + need).fits(budget)) and idle:
                idle.pop(0).unload()
                evicted = True
        if evicted:
            memory.release_unused()
        return fits

    def evict_all_idle(self) -> bool:
        """Evict every idle model; whether there was one."""
        with self._changed:
            idle = self._idle()
            for entry in idle:
                entry.unload()
        memory.release_unused()
        return bool(idle)

    def unload_expired(self) -> None:
        """Unload models whose idle time is over, and set a timer for the next one."""
        idle_seconds = self._limits.idle_seconds
        if idle_seconds is None:
            return
        with self._changed:
            due = time.monotonic() - idle_seconds
            expired = [entry for entry in self._idle() if entry.last_used <= due]
            for entry in expired:
                entry.unload()
            left = self._idle()
            self._timer = threading.Timer(left[0].last_used - due, self.unload_expired) if left else None
            if self._timer is not None:
                self._timer.daemon = True
                self._timer.start()
        if expired:
            memory.release_unused()

    def loaded(self) -> dict[str, tuple[Memory, float]]:
        """Map each loaded model to the memory that it occupies and the seconds since its last use (0 while in use)."""
        now = time.monotonic()
        with self._changed:
            return {
                name: (entry.resident, 0.0 if entry.users else now - entry.last_used)
                for name, entry in self._entries.items()
                if entry.operator is not None
            }

    def _idle(self) -> list[CacheEntry]:
        """The loaded models without a user, least recently used first."""
        entries = (entry for entry in self._entries.values() if entry.operator is not None and not entry.users)
        return sorted(entries, key=lambda entry: entry.last_used)

    def _charged_to_others(self, model: str) -> Memory:
        """The sum of what all models but this one are charged."""
        return sum((entry.charged for name, entry in self._entries.items() if name != model), _NO_MEMORY)
