"""Memory use and exit codes of processes."""

import signal
from contextlib import suppress

import psutil


def resident_bytes(pid: int) -> int:
    """Sum the resident memory of a process and its descendants, in bytes; 0 when there is no such process."""
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid) if pid else None
        for one in [process, *process.children(recursive=True)] if process else ():
            with suppress(psutil.Error):
                total += int(one.memory_info().rss)
    return total


def describe_exit(code: int) -> str:
    """Describe a return code of `subprocess`, negative for a signal, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"ended by signal {signal.Signals(-code).name} ({-code})"
    return f"ended by signal {-code}"
