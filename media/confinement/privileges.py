"""Drop the privileges of this process (rlimits, Landlock, seccomp) before it reads untrusted files.

The rlimits work on every Linux. Landlock, if the kernel has it, also denies file access, except reading the libraries
and the temporary folder, and from kernel 6.7 on TCP. Seccomp denies sockets of every kind, and other processes.
"""

import ctypes
import os
import resource
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from media.confinement.system_calls import deny_system_calls

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # system calls
_ABI_WITH_TCP = 4
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
"""The rights that each version of Landlock adds: 2 has linking to other folders, 3 truncation, 5 ioctl of devices."""
_SCOPES = {6: 0b11}
"""Version 6 keeps the process from signals to, and abstract sockets of, processes outside."""
_ALL_TCP_RIGHTS = 0b11
_PATH_BENEATH = 1


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def drop_privileges(memory_bytes: int, readable: Iterable[Path]) -> None:
    """Limit memory to the current use plus `memory_bytes`, forbid writing files, and die with the parent process.

    With Landlock, only the libraries, the temporary folder and `readable` can be read, and TCP is denied.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    allowed = [*_library_folders(), Path(tempfile.gettempdir()), *readable]  # gettempdir writes a file: not later
    memory = _data_bytes() + memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    if sys.platform == "linux":
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _restrict_with_landlock(libc, allowed)
        deny_system_calls(libc)


def limit_cpu(seconds: int) -> None:
    """Let the kernel kill this process (SIGXCPU) after it has used this much more CPU time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


def _data_bytes() -> int:
    """The current private writable memory, which RLIMIT_DATA limits."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


def _library_folders() -> list[Path]:
    """The paths from which Python loads modules and shared libraries."""
    paths = {
        sys.prefix,
        sys.base_prefix,
        *sysconfig.get_paths().values(),
        "/usr",
        "/lib",
        "/lib64",
        "/etc/ld.so.cache",
    }
    return [Path(path) for path in sorted(paths)]


def _rights(by_version: Mapping[int, int], abi: int) -> int:
    """Return the rights that this version of Landlock knows."""
    return sum(rights for version, rights in by_version.items() if version <= abi)


def _restrict_with_landlock(libc: ctypes.CDLL, readable: Iterable[Path]) -> None:
    """Deny access to all files but those beneath `readable`, and TCP. Does nothing if the kernel lacks Landlock."""
    abi = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return
    fields = 3 if abi >= min(_SCOPES) else 2 if abi >= _ABI_WITH_TCP else 1
    size = fields * ctypes.sizeof(ctypes.c_uint64)
    wanted = _Ruleset(_rights(_FILE_RIGHTS, abi), _ALL_TCP_RIGHTS, _rights(_SCOPES, abi))
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(wanted), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return
    for path in readable:
        with suppress(OSError):
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rights = _EXECUTE | _READ_FILE | (_READ_DIR if path.is_dir() else 0)
            rule = _PathBeneath(rights, opened)
            libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
            os.close(opened)
    libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
