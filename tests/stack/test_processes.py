"""Processes are told apart whatever the clock does, and one that hangs is noticed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from flows.running.settings import Settings, stack_file
from stack.clock_watch import ClockWatch
from stack.hang_watch import HangWatch
from stack.processes import free_ports, http_status, running_process, start_process
from tests.paths import ROOT
from tests.waiting import wait_for
from workers.parent.infrastructure_id import InfrastructureId, parse_infrastructure_id, process_start_time
from workers.parent.process import resident_bytes


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[psutil.Process]:
    process = start_process(tmp_path, "sleeper", ["sleep", "600"], {"PATH": "/usr/bin:/bin"}, tmp_path)
    yield process
    with suppress(psutil.NoSuchProcess):
        process.kill()


def test_a_process_is_known_by_boot_and_ticks_and_not_by_the_time_of_day(
    sleeper: psutil.Process, tmp_path: Path
) -> None:
    noted = json.loads((tmp_path / "run" / "sleeper.json").read_text(encoding="utf-8"))
    boot, _, ticks = noted["started"].partition(" ")
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert ticks.isdigit()
    found = running_process(tmp_path, "sleeper")
    assert found is not None
    assert found.pid == sleeper.pid
    for other in (f"{boot} {int(ticks) + 1}", f"another-boot {ticks}"):
        (tmp_path / "run" / "sleeper.json").write_text(json.dumps(noted | {"started": other}), encoding="utf-8")
        assert running_process(tmp_path, "sleeper") is None
    # An earlier version wrote the time of day, which a clock step of some minutes has changed since.
    earlier = noted | {"started": sleeper.create_time() - 600}
    (tmp_path / "run" / "sleeper.json").write_text(json.dumps(earlier), encoding="utf-8")
    assert running_process(tmp_path, "sleeper") is not None

    mark = process_start_time(sleeper.pid)
    again = parse_infrastructure_id(str(InfrastructureId("machine", "slot", sleeper.pid, mark)))
    assert again is not None
    assert again.is_alive
    sleeper.kill()
    wait_for(lambda: not again.is_alive, 10, "the process to be gone")


def test_a_process_that_hangs_is_noticed_and_one_that_goes_on_is_not(tmp_path: Path) -> None:
    [port] = free_ports(1)
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    server = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def responds() -> bool:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=60).status_code == 200

    address = f"http://127.0.0.1:{port}/"
    try:
        wait_for(lambda: http_status(address) == 200, 60, "the server to answer")
        assert http_status(f"{address}missing") == 404
        watch = HangWatch(responds, ask_seconds=0.05, hung_seconds=2.0)
        wait_for(lambda: not watch.is_hung() and watch.silent_seconds < 1.0, 30, "an answer")
        server.send_signal(signal.SIGSTOP)
        wait_for(watch.is_hung, 60, "the hang to be noticed")
        server.send_signal(signal.SIGCONT)
        wait_for(lambda: not watch.is_hung(), 60, "the server to go on")
    finally:
        server.kill()
        server.wait()
    assert http_status(address) is None


def test_a_clock_that_was_set_back_is_noticed_once_and_one_that_was_set_forward_is_not() -> None:
    time_of_day, monotonic = 1e9, 10.0
    watch = ClockWatch(lambda: time_of_day, lambda: monotonic)
    told: list[float] = []
    for step in (1.0, 3601.0, -3599.0, 1.0):
        time_of_day, monotonic = time_of_day + step, monotonic + 1.0
        told.append(watch.set_back_seconds())
    assert told == [0.0, 0.0, 3600.0, 0.0]


def test_a_killed_test_session_takes_its_servers_with_it(settings: Settings) -> None:
    program = (
        "import time\n"
        "from tests.shared_servers import folder, open_folder\n"
        "open_folder()\n"
        "print(folder(), flush=True)\n"
        "time.sleep(600)\n"
    )
    kept = {name: value for name, value in os.environ.items() if "TRIPTYCH_TESTS" not in name}
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=kept, stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        home = Path(session.stdout.readline().decode().strip()) / "stack"
        home.mkdir()
        shutil.copy(stack_file(settings.home), stack_file(home))
        part = start_process(home, "gateway", ["sleep", "600"], {"PATH": "/usr/bin:/bin"}, home)
        session.kill()
    wait_for(lambda: not part.is_running(), 60, "the server to be stopped")
    wait_for(lambda: not home.parent.exists(), 60, "the folder to be removed")


def test_pages_that_forks_share_count_once() -> None:
    megabytes = 64
    program = (
        "import os, sys\n"
        f"kept = bytes(bytearray(range(256)) * ({megabytes} * 4096))\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        sys.stdin.read()\n"
        "        os._exit(0)\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        time.sleep(0.2)
        assert megabytes * 1e6 < resident_bytes(parent.pid) < 2 * megabytes * 1.05e6
        assert parent.stdin is not None
        parent.stdin.close()
