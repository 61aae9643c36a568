"""The promise of the worst day, in short: whatever is killed, every file is there once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT


@pytest.mark.soak
@pytest.mark.stack
@pytest.mark.timeout(900)
def test_files_arrive_once_while_processes_of_the_stack_are_killed(tmp_path: Path) -> None:
    options = ["--minutes", "1.5", "--files", "30", "--seed", "11", "--every", "7", "11", "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
