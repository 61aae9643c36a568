"""Forbid system calls that no decoder needs, with a seccomp filter: a second layer of defence beside Landlock.

The calls return EPERM: sockets of every kind, other processes, other programs, and parts of the kernel that have often
been the way out of a sandbox. Does nothing on other processors, and where the kernel has no seccomp.
"""

import ctypes
import platform
import struct

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""The column of the table below, and the kernel's number of the architecture."""
_DENIED = {
    "socket": (41, 198),
    "connect": (42, 203),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kill": (62, 129),
    "tkill": (200, 130),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "execve": (59, 221),
    "execveat": (322, 281),
    "mount": (165, 40),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_by_handle_at": (304, 265),
}
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _EPERM, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET = 0, 4
_X32_CALLS = 0x40000000
"""Numbers from here on are the same calls by another ABI of x86-64."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def deny_system_calls(libc: ctypes.CDLL) -> bool:
    """Install the filter in this process; return whether it was. Needs PR_SET_NO_NEW_PRIVS."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return False
    column, architecture = known
    code = _filter([numbers[column] for numbers in _DENIED.values()], architecture)
    program = _Program(len(code) // 8, code)
    return libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0


def _filter(denied: list[int], architecture: int) -> bytes:
    """Return a program of classic BPF: each instruction is a code, two jumps and a value."""
    deny = len(denied) + 1  # the instructions from the first comparison of a call to the one that denies
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
        (_AT_LEAST, deny, 0, _X32_CALLS),
        *((_EQUAL, deny - 1 - position, 0, number) for position, number in enumerate(denied)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _EPERM),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
