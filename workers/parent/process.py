"""Memory use and exit codes of processes."""

import signal
from contextlib import suppress
from pathlib import Path

import psutil


def resident_bytes(pid: int) -> int:
    """Sum the memory of a process and its descendants, in bytes; 0 when there is no such process.

    Shared pages are divided among those who share them (PSS): forks share what their parent had loaded.
    """
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid) if pid else None
        for one in [process, *process.children(recursive=True)] if process else ():
            with suppress(psutil.Error):
                total += _proportional_bytes(one)
    return total


def _proportional_bytes(process: psutil.Process) -> int:
    with suppress(OSError, ValueError, psutil.Error):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return int(process.memory_info().rss)


def describe_exit(code: int) -> str:
    """Describe a return code of `subprocess`, negative for a signal, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"ended by signal {signal.Signals(-code).name} ({-code})"
    return f"ended by signal {-code}"
