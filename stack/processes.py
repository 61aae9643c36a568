"""Processes of the embedded stack: started apart from the terminal, remembered on disk, stopped for sure."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from stack.errors import PartDidNotStart

_GRACE_SECONDS = 20.0
_PORTS = range(20_000, 30_000)
"""Narrow, since weed keeps the ports 10,000 above its own for gRPC, and below those that outgoing connections take."""


def start_process(
    home: Path, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> psutil.Process:
    """Start a command in its own session, its output in logs/, its identity in run/."""
    log = home / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        started = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_heed_signals,
        )
    # Whoever starts a part takes its exit code: Postgres does not start beside what is left of a killed one.
    threading.Thread(target=started.wait, daemon=True).start()
    process = psutil.Process(started.pid)
    note = {"pid": process.pid, "started": process.create_time()}
    _note(home, name).parent.mkdir(parents=True, exist_ok=True)
    _note(home, name).write_text(json.dumps(note), encoding="utf-8")
    return process


def running_process(home: Path, name: str) -> psutil.Process | None:
    """The process that was started under this name, if it still lives."""
    try:
        note = json.loads(_note(home, name).read_text(encoding="utf-8"))
        process = psutil.Process(note["pid"])
        # A pid is used again one day; the time of its start tells them apart.
        alive = abs(process.create_time() - note["started"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.Error):
        return None
    return process if alive else None


def stop_process(home: Path, name: str, stop_signal: signal.Signals = signal.SIGTERM, *, alone: bool = False) -> None:
    """Send the signal; after twenty seconds kill the process and, unless `alone`, all its descendants."""
    process = running_process(home, name)
    if process is not None:
        family = [process, *([] if alone else process.children(recursive=True))]
        process.send_signal(stop_signal)
        _, alive = psutil.wait_procs(family, timeout=_GRACE_SECONDS)
        for survivor in alive:
            with suppress(psutil.NoSuchProcess):  # it ended just now
                survivor.kill()
        psutil.wait_procs(alive, timeout=_GRACE_SECONDS)
    # The supervisor may have started it again by now: without its note that process would be lost, and its port taken.
    if running_process(home, name) is None:
        _note(home, name).unlink(missing_ok=True)


def wait_until(home: Path, name: str, answers: Callable[[], bool], seconds: float) -> None:
    """Poll until the part answers. Raises PartDidNotStart with the last line of its log."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers():
            return
        if running_process(home, name) is None:
            raise PartDidNotStart(f"{name} ended while it started: {last_line(home, name)}")
        time.sleep(0.1)
    raise PartDidNotStart(f"{name} did not answer within {seconds:.0f} s: {last_line(home, name)}")


def last_line(home: Path, name: str) -> str:
    """The last line of a part's log."""
    log = home / "logs" / f"{name}.log"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens, none of them 10,000 above another."""
    found: list[int] = []
    with_probe = (port for port in _shuffled(_PORTS) if is_free(port))
    while len(found) < count:
        found.append(next(with_probe))
    return found


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def accepts(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _shuffled(ports: range) -> list[int]:
    import random

    return random.SystemRandom().sample(ports, len(ports))


def _heed_signals() -> None:
    # What a script starts with `&` inherits an ignored SIGINT, and could then not be stopped politely.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _note(home: Path, name: str) -> Path:
    return home / "run" / f"{name}.json"


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without its Prefect settings, and with `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | dict(extra)
