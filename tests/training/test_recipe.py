"""What every recipe leaves on disk is whole, whenever it is killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from training.recipe import drop_half_line, read_losses, written_whole

KILLED = """
import os, sys; from pathlib import Path; from training.recipe import written_whole
with written_whole(Path(sys.argv[1])) as unfinished:
    unfinished.mkdir(); (unfinished / "first").write_text("half of it")
    os.kill(os.getpid(), 9)
"""


def write(folder: Path, text: str) -> None:
    with written_whole(folder) as unfinished:
        unfinished.mkdir()
        (unfinished / "first").write_text(text)
        (unfinished / "second").write_text(text)


def killed_while_writing(folder: Path) -> bool:
    return subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False).returncode == -signal.SIGKILL


def test_a_folder_that_a_killed_run_was_writing_is_not_there_and_can_be_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    assert killed_while_writing(folder)
    assert not folder.exists()
    write(folder, "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert killed_while_writing(folder)
    assert {path.read_text() for path in folder.iterdir()} == {"whole"}
    write(folder, "newer")
    assert {path.read_text() for path in folder.iterdir()} == {"newer"}


def test_half_a_line_of_a_killed_run_costs_no_other_loss(tmp_path: Path) -> None:
    log = tmp_path / "losses.jsonl"
    log.write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "lo')
    assert read_losses(log) == {"model": {1: 0.5}}
    drop_half_line(log)
    with log.open("a") as file:
        file.write(json.dumps({"step": 2, "loss": 0.25}) + "\n")
    assert read_losses(log) == {"model": {1: 0.5, 2: 0.25}}
