"""The infrastructure id of a run: which process of which worker on which machine has it in hand."""

import re
from dataclasses import dataclass

import psutil

_FORM = re.compile(r"warm:(?P<machine>[^/]*)/(?P<slot>[^/]*)/(?P<pid>\d+)@(?P<started>\d+)")


@dataclass(frozen=True)
class Infrastructure:
    """A process, told apart from a later one of the same pid by when it started (seconds since the epoch)."""

    machine: str
    slot: str
    pid: int
    started: int

    def __str__(self) -> str:
        return f"warm:{self.machine}/{self.slot}/{self.pid}@{self.started}"

    @property
    def alive(self) -> bool:
        """Whether the process still lives; ask on its own machine only. It does not when it was gone at its naming."""
        return self.started > 0 and started_at(self.pid) == self.started


def parse_infrastructure(text: str | None) -> Infrastructure | None:
    """The process named in a text; None when it names no process of a warm worker."""
    found = _FORM.search(text or "")
    if found is None:
        return None
    return Infrastructure(found["machine"], found["slot"], int(found["pid"]), int(found["started"]))


def started_at(pid: int) -> int:
    """When the process started; 0 when there is none, or only what is left of one."""
    try:
        process = psutil.Process(pid)
        return 0 if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time())
    except psutil.Error:
        return 0
