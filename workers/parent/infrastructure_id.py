"""The infrastructure id of a flow run: machine, slot and process that execute it."""

import re
from dataclasses import dataclass

import psutil

_FORM = re.compile(r"warm:(?P<machine>[^/]*)/(?P<slot>[^/]*)/(?P<pid>\d+)@(?P<started>\d+)")


@dataclass(frozen=True)
class InfrastructureId:
    """A process on a machine. Its start time (seconds since the epoch) tells it from a later one with the same pid."""

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
    """Return when the process started, in seconds since the epoch; 0 for a zombie, or when there is none."""
    try:
        process = psutil.Process(pid)
        return 0 if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time())
    except psutil.Error:
        return 0
