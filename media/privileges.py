"""Confinement: what a process that reads hostile bytes takes from itself before it sees the first one.

Limits hold on every Linux. Landlock, where the kernel has it, also takes away the files (but for the libraries and the
folder of temporary files, to read) and, from kernel 6.7 on, TCP.
"""

import ctypes
import os
import resource
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ABI_WITH_TCP = 4
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_ALL_OF_FIRST_ABI = (1 << 13) - 1
_ALL_TCP = 0b11
_PATH_BENEATH = 1


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def confine(memory_bytes: int, readable: Iterable[Path]) -> None:
    """No more memory than now plus `memory_bytes`, no writing of files, no core dumps, no life without the parent."""
    libc = ctypes.CDLL(None, use_errno=True)
    kept = [*_libraries(), Path(tempfile.gettempdir()), *readable]  # before: Python tries to write there
    memory = _data_bytes() + memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    if sys.platform == "linux":
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _forget_files(libc, kept)


def allow_cpu(seconds: int) -> None:
    """From now on the process may compute for so long; then the kernel ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


def _data_bytes() -> int:
    """What counts towards RLIMIT_DATA now: private writable memory."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


def _libraries() -> list[Path]:
    """Where Python and what it loads come from."""
    places = {
        sys.prefix,
        sys.base_prefix,
        *sysconfig.get_paths().values(),
        "/usr",
        "/lib",
        "/lib64",
        "/etc/ld.so.cache",
    }
    return [Path(place) for place in sorted(places)]


def _forget_files(libc: ctypes.CDLL, kept: Iterable[Path]) -> None:
    """Give up all files but those beneath `kept`, which can be read, and the network; nothing where it is unknown."""
    abi = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return
    size = ctypes.sizeof(_Ruleset) if abi >= _ABI_WITH_TCP else ctypes.sizeof(ctypes.c_uint64)
    wanted = _Ruleset(_ALL_OF_FIRST_ABI, _ALL_TCP)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(wanted), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return
    for path in kept:
        with suppress(OSError):
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rights = _EXECUTE | _READ_FILE | (_READ_DIR if path.is_dir() else 0)
            rule = _PathBeneath(rights, opened)
            libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
            os.close(opened)
    libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
