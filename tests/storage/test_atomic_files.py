"""Atomic writes: complete or absent when the writer is killed, and made by one of several processes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.atomic_files import atomic_write, create_once

KILLED = """
import os, sys; from pathlib import Path; from storage.atomic_files import atomic_write
with atomic_write(Path(sys.argv[1])) as unfinished:
    unfinished.mkdir(); (unfinished / "first").write_text("half of it")
    os.kill(os.getpid(), 9)
"""
MAKER = """
import os, sys, time; from pathlib import Path; from storage.atomic_files import create_once
def make(unfinished):
    with open(sys.argv[2], "a") as log: log.write(f"{os.getpid()}\\n")
    time.sleep(0.2); unfinished.write_text("made"); time.sleep(0.2)
sys.stdin.readline()
print(create_once(Path(sys.argv[1]), make).read_text())
"""


def write(folder: Path, text: str) -> None:
    with atomic_write(folder) as unfinished:
        unfinished.mkdir()
        (unfinished / "first").write_text(text)
        (unfinished / "second").write_text(text)


def killed_while_writing(folder: Path) -> bool:
    return subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False).returncode == -signal.SIGKILL


def test_a_folder_of_a_killed_writer_does_not_exist_and_can_be_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    assert killed_while_writing(folder)
    assert not folder.exists()
    write(folder, "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert killed_while_writing(folder)
    assert {path.read_text() for path in folder.iterdir()} == {"whole"}
    write(folder, "newer")
    assert {path.read_text() for path in folder.iterdir()} == {"newer"}


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before")

    def fail() -> None:
        with atomic_write(file) as unfinished:
            unfinished.write_text("half")
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_only_one_of_several_processes_creates_the_file(tmp_path: Path) -> None:
    log, target = tmp_path / "log", tmp_path / "cache" / "made"
    command = [sys.executable, "-c", MAKER, str(target), str(log)]
    makers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("now\n")
        maker.stdin.flush()
    assert [maker.communicate()[0] for maker in makers] == ["made\n"] * 4
    assert len(log.read_text().splitlines()) == 1
    assert list(target.parent.iterdir()) == [target]


def test_a_created_file_is_not_created_again_and_a_failure_can_be_retried(tmp_path: Path) -> None:
    target = tmp_path / "made"

    def fail(unfinished: Path) -> None:
        unfinished.mkdir()
        raise ValueError("not today")

    with pytest.raises(ValueError, match="not today"):
        create_once(target, fail)
    assert not target.exists()
    assert create_once(target, lambda unfinished: unfinished.mkdir()) == target
    assert create_once(target, fail) == target
