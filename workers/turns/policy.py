"""The scheduling policy: priority, then fair shares, with a bounded preference for runs whose model is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_EXPIRY_SECONDS = 3600.0


@dataclass(frozen=True)
class WaitingRun:
    """A run that has been due since `since`, in seconds. Runs of one share compete as one."""

    id: str
    priority: int
    since: float
    model: str | None = None
    share: str = ""


@dataclass
class ServiceHistory:
    """When each share, and each model of each share, was last served, that is, a run of it was started."""

    patience_seconds: float
    _served: dict[str, float] = field(default_factory=dict[str, float])
    _groups: dict[tuple[str, str | None], float] = field(default_factory=dict[tuple[str, str | None], float])

    def waited_seconds(self, run: WaitingRun, now: float) -> float:
        """Return the seconds since the run was due, or since its share was last served with its model, if later."""
        return now - max(run.since, self._groups.get((run.share, run.model), run.since))

    def sort_key(self, run: WaitingRun) -> tuple[float, float, str]:
        """Sort by the time at which the share was last served, then by age."""
        return self._served.get(run.share, float("-inf")), run.since, run.id

    def record(self, run: WaitingRun, now: float) -> None:
        """Record that the run was started, and drop entries older than an hour."""
        self._served[run.share] = now
        self._groups[run.share, run.model] = now
        self._served = {share: at for share, at in self._served.items() if now - at < _EXPIRY_SECONDS}
        self._groups = {group: at for group, at in self._groups.items() if now - at < _EXPIRY_SECONDS}


def choose_run(
    waiting: Sequence[WaitingRun], loaded: frozenset[str], history: ServiceHistory, now: float
) -> WaitingRun | None:
    """Choose the run to start now; None if none waits.

    The highest priority (the smallest number) wins. Within it, shares are served least recently served first, and a
    run whose model is loaded is preferred. That preference cannot starve the others: a run that would be passed over
    is chosen once it has waited longer than the patience (see `waited_seconds`).
    """
    if not waiting:
        return None
    best = min(run.priority for run in waiting)
    equals = sorted((run for run in waiting if run.priority == best), key=history.sort_key)
    preferred = next((number for number, run in enumerate(equals) if run.model in loaded), 0)
    passed_over = (run for run in equals[:preferred] if history.waited_seconds(run, now) > history.patience_seconds)
    return next(passed_over, equals[preferred])


def assign(
    waiting: Sequence[WaitingRun], idle: Mapping[str, frozenset[str]], history: ServiceHistory, now: float
) -> list[tuple[str, str]]:
    """Assign runs to the free slots. `idle` maps each slot to its loaded models. Returns pairs of run and slot."""
    left, slots, pairs = list(waiting), dict(idle), list[tuple[str, str]]()
    while slots and (run := choose_run(left, frozenset().union(*slots.values()), history, now)):
        slot = next((name for name, models in slots.items() if run.model in models), None)
        # No slot has loaded the model: choose the one with the fewest models, where it evicts the least.
        slot = slot or min(slots, key=lambda name: (len(slots[name]), name))
        history.record(run, now)
        pairs.append((run.id, slot))
        left.remove(run)
        del slots[slot]
    return pairs


def tag_value(tags: Sequence[str], prefix: str) -> str | None:
    """Return what follows the prefix in the first tag that has it."""
    return next((tag.removeprefix(prefix) for tag in tags if prefix and tag.startswith(prefix)), None)


def model_of(tags: Sequence[str], parameters: Mapping[str, Any], prefix: str, paths: Sequence[str]) -> str | None:
    """Return the model named by a tag with the prefix, or by the first of the dotted parameter paths that is a text."""
    if named := tag_value(tags, prefix):
        return named
    for path in paths:
        value: Any = parameters
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None  # pyright: ignore[reportUnknownMemberType]
        if isinstance(value, str):
            return value
    return None
