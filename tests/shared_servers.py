"""The servers that all processes of a test session share, in one folder.

The process that begins the session opens the folder and names it in the environment; the processes of pytest-xdist
inherit the name. `stack.lifecycle.up` takes a lock and starts only what is missing, so whoever comes first starts the
servers, and the process that opened the folder stops them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stack import lifecycle
from tests.paths import ROOT

_VARIABLE = "TRIPTYCH_TESTS_FOLDER"
_STORAGE, _STACK = "storage", "stack"
_LINGERING_SECONDS = 5.0


def open_folder() -> None:
    """Make the folder of this session, unless an outer process has made one that it will close itself."""
    if _VARIABLE not in os.environ:
        folder = tempfile.mkdtemp(prefix="triptych-tests-")
        Path(folder).chmod(0o711)  # the embedded Postgres runs as another user when the tests run as root
        os.environ[_VARIABLE] = folder
        os.environ[f"{_VARIABLE}_OWNER"] = str(os.getpid())
        _watch_over(folder)


def _watch_over(folder: str) -> None:
    """Have a process of its own stop the servers when this one has been killed: the pipe to it closes with this one."""
    reading, _writing = os.pipe()  # no program that this process starts inherits the end for writing
    command = [sys.executable, "-m", "tests.shared_servers", folder]
    subprocess.Popen(command, stdin=reading, stdout=subprocess.DEVNULL, start_new_session=True, cwd=ROOT)
    os.close(reading)


def close_folder() -> None:
    """Stop the servers and remove the folder, if this process opened it."""
    if os.environ.get(f"{_VARIABLE}_OWNER") != str(os.getpid()):
        return
    stop_stack()
    lifecycle.down(folder() / _STORAGE)
    shutil.rmtree(folder(), ignore_errors=True)
    del os.environ[_VARIABLE], os.environ[f"{_VARIABLE}_OWNER"]


def remove_abandoned(abandoned: Path) -> None:
    """Stop all stacks in a folder and remove it; again if a test that goes on for a moment starts one."""
    while abandoned.exists():
        for stack in abandoned.glob("**/stack.env"):
            lifecycle.down(stack.parent)
        shutil.rmtree(abandoned, ignore_errors=True)
        time.sleep(_LINGERING_SECONDS)


def folder() -> Path:
    """The folder of this session."""
    return Path(os.environ[_VARIABLE])


def storage_home() -> Path:
    """The home of an S3 server and a Postgres, running."""
    home = folder() / _STORAGE
    lifecycle.up(home, storage_only=True)
    return home


def stack_home() -> Path:
    """The home of a whole stack, running."""
    home = folder() / _STACK
    lifecycle.up(home)
    return home


def stop_stack() -> None:
    """Stop the stack that `stack_home` started, if it runs."""
    lifecycle.down(folder() / _STACK)


if __name__ == "__main__":
    sys.stdin.buffer.read()  # until the process that began the session has ended
    remove_abandoned(Path(sys.argv[1]))
