"""The servers that all processes of a test session share, in one folder.

The process that begins the session opens the folder and names it in the environment; the processes of pytest-xdist
inherit the name. `stack.lifecycle.up` takes a lock and starts only what is missing, so whoever comes first starts the
servers, and the process that opened the folder stops them.
"""

import os
import shutil
import tempfile
from pathlib import Path

from stack import lifecycle

_VARIABLE = "TRIPTYCH_TESTS_FOLDER"
_STORAGE, _STACK = "storage", "stack"


def open_folder() -> None:
    """Make the folder of this session, unless an outer process has made one that it will close itself."""
    if _VARIABLE not in os.environ:
        folder = tempfile.mkdtemp(prefix="triptych-tests-")
        Path(folder).chmod(0o711)  # the embedded Postgres runs as another user when the tests run as root
        os.environ[_VARIABLE] = folder
        os.environ[f"{_VARIABLE}_OWNER"] = str(os.getpid())


def close_folder() -> None:
    """Stop the servers and remove the folder, if this process opened it."""
    if os.environ.get(f"{_VARIABLE}_OWNER") != str(os.getpid()):
        return
    for name in (_STACK, _STORAGE):
        lifecycle.down(folder() / name)
    shutil.rmtree(folder(), ignore_errors=True)
    del os.environ[_VARIABLE], os.environ[f"{_VARIABLE}_OWNER"]


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
