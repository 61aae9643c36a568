"""Up and down of a stack that runs. The last of the serial tests: those before it find its workers warm."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack import lifecycle
from tests.paths import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.serial, pytest.mark.timeout(600)]


def triptych(home: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command line; return exit code, stdout and stderr."""
    command = [sys.executable, "-m", "gateway.cli.main", *arguments]
    environment = os.environ | {"TRIPTYCH_HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_second_up_changes_nothing_and_down_leaves_no_process(stack_home: Path) -> None:
    code, _, err = triptych(stack_home, "generate", "cat", "--steps", "3", "--seed", "772")
    assert code == 0, err
    before = {part.name: part.pid for part in lifecycle.status(stack_home).parts}
    assert {part.name: part.pid for part in lifecycle.up(stack_home).parts} == before
    lifecycle.down(stack_home)
    assert not any(part.running for part in lifecycle.status(stack_home).parts)
    code, _, err = triptych(stack_home, "run", "search", "words=cat")
    assert (code, "triptych up" in err) == (3, True)
    lifecycle.up(stack_home)
    code, out, err = triptych(stack_home, "search", "a cat", "--kind", "image", "--json")
    assert code == 0, err
    assert json.loads(out)["hits"]
