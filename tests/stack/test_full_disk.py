"""The supervisor outlives a full disk: its own log cannot be written, and parts are started again all the same."""

import io
import shutil
import sys
import threading
from pathlib import Path

import psutil
import pytest

from flows.running.settings import Settings, stack_file
from stack.disk_watch import DiskWatch
from stack.parts import Home, Part
from stack.processes import clean_environment, running_process, start_process, stop_process
from stack.supervisor import supervise
from tests.waiting import wait_for

NAME = "sleeper"


def test_a_disk_that_has_room_again_is_told_once_and_one_at_the_edge_is_not() -> None:
    free = iter((500, 9, 15, 9, 25, 25, 15, 9, 900))
    watch = DiskWatch(Path("/"), lambda _: (1000, 0, next(free)))
    assert [watch.has_room_again() for _ in range(9)] == [False] * 4 + [True] + [False] * 3 + [True]


def start(home: Home) -> None:
    attempts = home.path / "attempts"
    attempts.touch()
    attempts.write_text(attempts.read_text(encoding="ascii") + "x", encoding="ascii")
    if len(attempts.read_text(encoding="ascii")) == 1:
        raise OSError(28, "No space left on device")
    start_process(home.path, NAME, ["sleep", "600"], clean_environment({}), home.path)


def test_a_part_is_started_again_though_nothing_can_be_logged(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(stack_file(settings.home), stack_file(tmp_path))
    part = Part(NAME, "a part", start, lambda _: True)

    def process() -> psutil.Process:
        wait_for(lambda: running_process(tmp_path, NAME) is not None, 60, "the part to start")
        found = running_process(tmp_path, NAME)
        assert found is not None
        return found

    stop = threading.Event()
    thread = threading.Thread(target=supervise, args=(tmp_path, part, stop))
    # Unbuffered: a buffer that cannot be written would be tried again when the file is closed.
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(full, write_through=True))
        thread.start()
        try:
            first = process()
            first.kill()
            wait_for(lambda: running_process(tmp_path, NAME) not in (None, first), 60, "the part to start again")
            assert process().pid != first.pid
        finally:
            stop.set()
            thread.join()
            stop_process(tmp_path, NAME)
            monkeypatch.undo()
