"""Which waiting run goes next, and on which free slot: priority first, then fair turns, loaded models ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_MEMORY_SECONDS = 3600.0


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
    """When each share was last served: who waited longest since then is next. And each model of each share likewise."""

    patience_seconds: float
    _served: dict[str, float] = field(default_factory=dict[str, float])
    _groups: dict[tuple[str, str | None], float] = field(default_factory=dict[tuple[str, str | None], float])

    def waited(self, run: Waiting, now: float) -> float:
        """How long this run has waited, in seconds, since its share was last served with its model."""
        return now - max(run.since, self._groups.get((run.share, run.model), run.since))

    def turn(self, run: Waiting) -> tuple[float, float, str]:
        """Sorts runs: shares served longest ago first, older runs first."""
        return self._served.get(run.share, float("-inf")), run.since, run.id

    def serve(self, run: Waiting, now: float) -> None:
        self._served[run.share] = now
        self._groups[run.share, run.model] = now
        # Shares come and go (one per person): those of an hour ago have no debt left.
        self._served = {share: at for share, at in self._served.items() if now - at < _MEMORY_SECONDS}
        self._groups = {group: at for group, at in self._groups.items() if now - at < _MEMORY_SECONDS}


def next_run(waiting: Sequence[Waiting], loaded: frozenset[str], turns: Turns, now: float) -> Waiting | None:
    """The run to start now, of those waiting.

    The highest priority (the smallest number) goes first. Among equals it is the turn of the share that was served
    longest ago; a run whose model is loaded goes ahead of it. Nobody waits behind those for ever: of the runs that
    would be passed over, one that has waited out its patience (see `waited`) takes its turn, whatever is loaded.
    """
    if not waiting:
        return None
    best = min(run.priority for run in waiting)
    equals = sorted((run for run in waiting if run.priority == best), key=turns.turn)
    ahead = next((number for number, run in enumerate(equals) if run.model in loaded), 0)
    passed_over = (run for run in equals[:ahead] if turns.waited(run, now) > turns.patience_seconds)
    return next(passed_over, equals[ahead])


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
