"""Which waiting run goes next, and on which free slot: priority first, then fair turns, loaded models ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Waiting:
    """A run that could start. Times are seconds of one clock."""

    id: str
    priority: int
    since: float
    model: str | None = None
    share: str = ""


@dataclass
class Turns:
    """When each share was last served: who waited longest since then is next."""

    patience_seconds: float
    _served: dict[str, float] = field(default_factory=dict[str, float])

    def waited(self, run: Waiting, now: float) -> float:
        """How long the run's share has gone without being served, in seconds, as far as this run waits."""
        return now - max(run.since, self._served.get(run.share, run.since))

    def turn(self, run: Waiting) -> tuple[float, float, str]:
        """Sorts runs: shares served longest ago first, older runs first."""
        return self._served.get(run.share, float("-inf")), run.since, run.id

    def serve(self, run: Waiting, now: float) -> None:
        self._served[run.share] = now
        # Shares come and go (one per person): those of an hour ago have no debt left.
        self._served = {share: at for share, at in self._served.items() if now - at < 3600}


def next_run(waiting: Sequence[Waiting], loaded: frozenset[str], turns: Turns, now: float) -> Waiting | None:
    """The run to start now, of those waiting.

    The highest priority (the smallest number) goes first. Among equals it is the turn of the share that was served
    longest ago; a run whose model is loaded goes ahead until the one whose turn it is has waited out its patience.
    """
    if not waiting:
        return None
    best = min(run.priority for run in waiting)
    equals = sorted((run for run in waiting if run.priority == best), key=turns.turn)
    first = equals[0]
    if turns.waited(first, now) > turns.patience_seconds:
        return first
    return next((run for run in equals if run.model in loaded), first)


def assign(
    waiting: Sequence[Waiting], idle: Mapping[str, frozenset[str]], turns: Turns, now: float
) -> list[tuple[str, str]]:
    """Pairs of run and slot. `idle` names the free slots and the models loaded in each."""
    left, slots, pairs = list(waiting), dict(idle), list[tuple[str, str]]()
    while slots and (run := next_run(left, frozenset().union(*slots.values()), turns, now)):
        slot = next((name for name, models in slots.items() if run.model in models), None)
        # No slot has its model: the emptiest one, so that fewest models are pushed out.
        slot = slot or min(slots, key=lambda name: (len(slots[name]), name))
        turns.serve(run, now)
        pairs.append((run.id, slot))
        left.remove(run)
        del slots[slot]
    return pairs


def tagged(tags: Sequence[str], prefix: str) -> str | None:
    """What follows the prefix in the first tag that has it."""
    return next((tag.removeprefix(prefix) for tag in tags if prefix and tag.startswith(prefix)), None)


def model_of(tags: Sequence[str], parameters: Mapping[str, Any], prefix: str, paths: Sequence[str]) -> str | None:
    """The model that a run will use, as far as its tags or parameters tell."""
    if named := tagged(tags, prefix):
        return named
    for path in paths:
        value: Any = parameters
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownMemberType]
        if isinstance(value, str):
            return value
    return None
