"""The infrastructure id of a flow run: machine, slot and process that execute it."""

import re
from dataclasses import dataclass
from pathlib import Path

_FORM = re.compile(r"warm:(?P<machine>[^/]*)/(?P<slot>[^/]*)/(?P<pid>\d+)@(?P<started>\d+)")


@dataclass(frozen=True)
class InfrastructureId:
    """A process on a machine. Its start time (clock ticks since boot) tells it from a later one with the same pid."""

    machine: str
    slot: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"warm:{self.machine}/{self.slot}/{self.pid}@{self.started}"

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs; valid on its own machine only. False when `started` is 0."""
        return self.started > 0 and process_start_time(self.pid) == self.started


def parse_infrastructure_id(text: str | None) -> InfrastructureId | None:
    """Find an infrastructure id in a text; None when there is none of a warm worker."""
    found = _FORM.search(text or "")
    if found is None:
        return None
    return InfrastructureId(found["machine"], found["slot"], int(found["pid"]), int(found["started"]))


def process_start_time(pid: int) -> int:
    """Return when the process started, in clock ticks since boot; 0 for a zombie, or when there is none.

    The wall clock is not used: setting it would change the start time of a running process.
    """
    try:
        # The name, in parentheses, may contain blanks; behind it come the state, and the ticks as the 20th field.
        state, *fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
        return 0 if state == "Z" else int(fields[18])
    except OSError:
        return 0
