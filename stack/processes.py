"""Start daemons in sessions of their own, record their pids in files, and stop them with a timeout."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from flows.running.prefect_api import trusted_authorities
from stack.errors import PartDidNotStart
from workers.parent.infrastructure_id import process_start_time

_GRACE_SECONDS = 20.0
_PORTS = range(20_000, 30_000)
"""Below the ephemeral ports, and narrow because weed also takes the ports 10,000 above its own for gRPC."""


def start_process(
    home: Path, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> psutil.Process:
    """Start a command in its own session, with its output in logs/NAME.log and its pid in run/NAME.json."""
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
            preexec_fn=_reset_sigint,
        )
    # Reaps the process when it ends: Postgres refuses to start while a killed one is still a zombie.
    threading.Thread(target=started.wait, daemon=True).start()
    process = psutil.Process(started.pid)
    identity = {"pid": process.pid, "started": start_time(process.pid)}
    _process_file(home, name).parent.mkdir(parents=True, exist_ok=True)
    _process_file(home, name).write_text(json.dumps(identity), encoding="utf-8")
    return process


def running_process(home: Path, name: str) -> psutil.Process | None:
    """Return the process that was started under this name, or None if it has ended."""
    try:
        identity = json.loads(_process_file(home, name).read_text(encoding="utf-8"))
        process = psutil.Process(identity["pid"])
        # Pids are reused; the start time tells processes apart.
        started = identity["started"]
        # Files of earlier versions have seconds since the epoch.
        same = (
            abs(process.create_time() - started) < 3600
            if isinstance(started, float)
            else start_time(process.pid) == started
        )
        alive = same and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return process if alive else None


def start_time(pid: int) -> str:
    """Return when a process started: the id of the machine's boot, and the clock ticks since then; 0 if it has ended.

    Setting the clock changes neither.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {process_start_time(pid)}"


def stop_process(home: Path, name: str, stop_signal: signal.Signals = signal.SIGTERM, *, alone: bool = False) -> None:
    """Send the signal, then SIGKILL after twenty seconds; descendants are killed too unless `alone`."""
    process = running_process(home, name)
    if process is not None:
        family = [process, *([] if alone else process.children(recursive=True))]
        process.send_signal(stop_signal)
        _, alive = psutil.wait_procs(family, timeout=_GRACE_SECONDS)
        for survivor in alive:
            with suppress(psutil.NoSuchProcess):  # it ended in the meantime
                survivor.kill()
        psutil.wait_procs(alive, timeout=_GRACE_SECONDS)
    # The supervisor may have restarted the part by now; without its file that process could not be stopped any more.
    if running_process(home, name) is None:
        _process_file(home, name).unlink(missing_ok=True)


def wait_until(home: Path, name: str, answers: Callable[[], bool], seconds: float) -> None:
    """Poll until the part answers. Raises PartDidNotStart with the last line of its log."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answers():
            return
        if running_process(home, name) is None:
            raise PartDidNotStart(f"{name} ended while it started: {last_log_line(home, name)}")
        time.sleep(0.1)
    raise PartDidNotStart(f"{name} did not answer within {seconds:.0f} s: {last_log_line(home, name)}")


def truncate_log(home: Path, name: str, most_bytes: int) -> None:
    """Move what a part has logged to logs/NAME.log.1 if it is more than that; the part goes on writing to its file."""
    log = home / "logs" / f"{name}.log"
    with suppress(FileNotFoundError):
        if log.stat().st_size > most_bytes:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)


def last_log_line(home: Path, name: str) -> str:
    """Return the last non-empty line of a part's log."""
    log = home / "logs" / f"{name}.log"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")


def free_ports(count: int) -> list[int]:
    """Return free ports, no two of them 10,000 apart."""
    found: list[int] = []
    candidates = (port for port in _shuffled(_PORTS) if is_free_port(port))
    while len(found) < count:
        found.append(next(candidates))
    return found


def is_free_port(port: int) -> bool:
    """Whether the port of 127.0.0.1 can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_listening(host: str, port: int) -> bool:
    """Whether a TCP connection is accepted."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def http_status(address: str, timeout_seconds: float = 5.0) -> int | None:
    """Return the status with which a server answers a GET request, or None if it does not answer over HTTP."""
    try:
        return httpx.get(address, timeout=timeout_seconds, verify=trusted_authorities()).status_code
    except httpx.HTTPError:
        return None


def _shuffled(ports: range) -> list[int]:
    import random

    return random.SystemRandom().sample(ports, len(ports))


def _reset_sigint() -> None:
    # Background jobs of a script inherit an ignored SIGINT, which is the signal that stops Postgres and Prefect runs.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _process_file(home: Path, name: str) -> Path:
    return home / "run" / f"{name}.json"


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without Prefect's variables, updated with `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | dict(extra)
