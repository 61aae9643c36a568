"""What there is to tell of a process from outside."""

import signal
from contextlib import suppress

import psutil


def resident_bytes(pid: int) -> int:
    """What a process holds in main memory, with everything that it started; 0 when there is none."""
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid) if pid else None
        for one in [process, *process.children(recursive=True)] if process else ():
            with suppress(psutil.Error):
                total += int(one.memory_info().rss)
    return total


def told_exit(code: int) -> str:
    """An exit code of subprocess in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"ended by signal {signal.Signals(-code).name} ({-code})"
    return f"ended by signal {-code}"
