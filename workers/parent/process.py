"""Memory use and exit codes of processes."""

import signal
from contextlib import suppress
from pathlib import Path

import psutil


def resident_bytes(pid: int) -> int:
    """Sum the memory of a process and its descendants, in bytes; 0 when there is no such process.

    Shared pages are divided among those who share them (PSS): forks share what their parent had loaded.
    """
    return sum(_proportional_bytes(one) for one in [pid, *_descendants(pid)]) if pid else 0


def _descendants(pid: int) -> list[int]:
    """The process ids of the descendants. Linux lists children by thread; psutil would read all processes there are."""
    try:
        lists = [(task / "children").read_text("ascii") for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:  # the process has ended, or this system has no such lists
        with suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children(recursive=True)]
        return []
    children = [int(child) for each in lists for child in each.split()]
    return [*children, *(below for child in children for below in _descendants(child))]


def _proportional_bytes(pid: int) -> int:
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def describe_exit(code: int) -> str:
    """Describe a return code of `subprocess`, negative for a signal, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"ended by signal {signal.Signals(-code).name} ({-code})"
    return f"ended by signal {-code}"
