"""Room: which models of a process are in memory, which one is admitted next, and which one goes for it."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from modalities.contract import Operator
from modalities.errors import NotEnoughMemory
from modalities.models import memory
from modalities.models.measured_memory import Footprint
from modalities.models.memory import Memory

_WAIT_SECONDS = 600.0
_NOTHING = Memory()


@dataclass(frozen=True)
class Bounds:
    """What the models of one process may take, in bytes, and for how long they stay when nobody asks them."""

    memory_bytes: int | None = None
    """None: a share of the memory of the machine, or of its container."""
    cuda_bytes: int | None = None
    """None: a share of the memory of the GPU."""
    idle_seconds: float | None = None
    """None: for ever."""


@dataclass
class Place:
    """One model's place; its lock is held across a load, so that nobody loads it twice."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    operator: Operator[Any] | None = None
    weights: str = ""
    """The digest of what is loaded."""
    held: Memory = _NOTHING
    """What the loaded model holds."""
    most: Memory = _NOTHING
    """What it takes while it loads and runs."""
    unmeasured: Memory | None = None
    """From the load to the end of the first run: what the process held before."""
    users: int = 0
    last_used: float = 0.0

    @property
    def counted(self) -> Memory:
        return self.most if self.users else self.held

    @property
    def footprint(self) -> Footprint:
        held, most = self.held, self.most
        return Footprint(
            resident=held.resident,
            resident_peak=max(held.resident, most.resident),
            cuda=held.cuda,
            cuda_peak=max(held.cuda, most.cuda),
        )

    def empty(self) -> None:
        """Let go of the model."""
        self.operator, self.held, self.most, self.unmeasured = None, _NOTHING, _NOTHING, None
        self.weights = ""


class Room:
    """The places of one process's models."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._places: dict[str, Place] = {}
        self._changed = threading.Condition()
        self._entries = 0
        self._timer: threading.Timer | None = None

    @property
    def limit(self) -> Memory:
        return memory.default_limit(self._bounds.memory_bytes, self._bounds.cuda_bytes)

    def check(self, model: str, need: Memory) -> None:
        """Raise NotEnoughMemory, with the numbers, when `need` would not fit into an empty room."""
        if not need.fits(self.limit):
            raise self.refusal(model, need)

    def refusal(self, model: str, need: Memory) -> NotEnoughMemory:
        """What to say of a model that can never be loaded here."""
        return NotEnoughMemory(f"The model {model} needs {need}, and models may take {self.limit} here.")

    def enter(self, model: str) -> tuple[Place, int]:
        """The model's place, kept until `leave`, and the number of this entry."""
        with self._changed:
            place = self._places.setdefault(model, Place())
            place.users += 1
            self._entries += 1
            return place, self._entries

    def leave(self, place: Place) -> None:
        """The user of the place is done. A model that turned out to be too large goes at once."""
        with self._changed:
            place.users -= 1
            place.last_used = time.monotonic()
            too_large = not place.users and not place.most.fits(self.limit)
            if too_large:
                place.empty()
            self._changed.notify_all()
            looks = self._timer is not None
        if too_large:
            memory.give_back()
        if not looks:
            self.unload_idle()

    @contextmanager
    def in_use(self) -> Generator[set[str]]:
        """The models that somebody uses; nobody comes or goes within the context."""
        with self._changed:
            yield {name for name, place in self._places.items() if place.users}

    def is_alone(self, entry: int) -> bool:
        """Whether nobody else has used any model since this entry."""
        with self._changed:
            return self._entries == entry and sum(place.users for place in self._places.values()) == 1

    def reserve(self, model: str, place: Place, need: Memory) -> None:
        """Let go of idle models until `need` fits; wait for those that are in use. Raises NotEnoughMemory."""
        deadline = time.monotonic() + _WAIT_SECONDS
        with self._changed:
            while not self.make_room(model, need):
                if not self._changed.wait(deadline - time.monotonic()):
                    raise NotEnoughMemory(
                        f"The model {model} needs {need} of {self.limit}, and models that are in use hold "
                        f"{self._counted(model)} of it: try again later."
                    )
            place.most = need

    def make_room(self, model: str, need: Memory) -> bool:
        """Let go of idle models, the longest unused first, until `need` fits beside the others; whether it does."""
        dropped = False
        with self._changed:
            limit, idle = self.limit, self._idle()
            while not (fits := (self._counted(model) + need).fits(limit)) and idle:
                idle.pop(0).empty()
                dropped = True
        if dropped:
            memory.give_back()
        return fits

    def unload_all_idle(self) -> bool:
        """Let go of every idle model; whether there was one."""
        with self._changed:
            idle = self._idle()
            for place in idle:
                place.empty()
        memory.give_back()
        return bool(idle)

    def unload_idle(self) -> None:
        """Let go of what nobody asked for as long as the bounds say; then look again when the next one is due."""
        idle_seconds = self._bounds.idle_seconds
        if idle_seconds is None:
            return
        with self._changed:
            due = time.monotonic() - idle_seconds
            dropped = [place for place in self._idle() if place.last_used <= due]
            for place in dropped:
                place.empty()
            left = self._idle()
            self._timer = threading.Timer(left[0].last_used - due, self.unload_idle) if left else None
            if self._timer is not None:
                self._timer.daemon = True
                self._timer.start()
        if dropped:
            memory.give_back()

    def loaded(self) -> dict[str, tuple[Memory, float]]:
        """What each model in memory holds, and for how many seconds nobody has used it."""
        now = time.monotonic()
        with self._changed:
            return {
                name: (place.held, 0.0 if place.users else now - place.last_used)
                for name, place in self._places.items()
                if place.operator is not None
            }

    def _idle(self) -> list[Place]:
        """The loaded models that nobody uses, the longest unused first."""
        places = (place for place in self._places.values() if place.operator is not None and not place.users)
        return sorted(places, key=lambda place: place.last_used)

    def _counted(self, apart_from: str) -> Memory:
        """What the other models take."""
        return sum((place.counted for name, place in self._places.items() if name != apart_from), _NOTHING)
