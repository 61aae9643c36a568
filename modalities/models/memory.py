"""Measure the main memory and GPU memory of this process, and how much the machine has. All in bytes."""

import ctypes
import gc
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_SHARE_OF_MAIN, _SHARE_OF_GPU = 0.8, 0.9
"""The default budget of models, as a share of the memory that the machine or container has."""
_OUT_OF_MEMORY_MESSAGES = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")
"""Parts of the messages of libraries that raise a plain RuntimeError when memory runs out."""


@dataclass(frozen=True)
class Memory:
    """An amount of main memory and of GPU memory."""

    resident: int = 0
    cuda: int = 0

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.resident + other.resident, self.cuda + other.cuda)

    def __sub__(self, other: "Memory") -> "Memory":
        """Subtract; neither part falls below zero."""
        return Memory(max(0, self.resident - other.resident), max(0, self.cuda - other.cuda))

    def fits(self, limit: "Memory") -> bool:
        return self.resident <= limit.resident and self.cuda <= limit.cuda

    def __str__(self) -> str:
        main = f"{self.resident / 1e9:.2f} GB"
        return f"{main} and {self.cuda / 1e9:.2f} GB of the GPU" if self.cuda else main


def default_budget(resident: int | None, cuda: int | None) -> Memory:
    """Return the given numbers; for a missing one, a share of what the machine or its container has."""
    return Memory(
        resident if resident is not None else int(_total_main_memory() * _SHARE_OF_MAIN),
        cuda if cuda is not None else int(_total_gpu_memory() * _SHARE_OF_GPU),
    )


def usage() -> Memory:
    """Return what this process occupies now."""
    return Memory(psutil.Process().memory_info().rss, _cuda_usage(peak=False))


def reset_peak() -> None:
    """Reset the high-water mark that `peak_usage` reads."""
    if _linux_peak() is not None:
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return  # not permitted here: the peak is then that since the process started
    if cuda := _cuda():
        cuda.reset_peak_memory_stats()


def peak_usage() -> Memory:
    """Return the peak since `reset_peak`; where the system does not report it, the current usage."""
    return Memory(_linux_peak() or psutil.Process().memory_info().rss, _cuda_usage(peak=True))


def release_unused() -> None:
    """Collect garbage, and make the allocators of glibc and torch return free memory to the system."""
    gc.collect()
    if sys.platform == "linux":
        trim: Any = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
        if trim is not None:
            trim(0)
    if cuda := _cuda():
        cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, torch or CTranslate2 means that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(part in str(error).lower() for part in _OUT_OF_MEMORY_MESSAGES)


def _total_main_memory() -> int:
    """The main memory of the machine, or the limit of its control group if that is lower."""
    found = [psutil.virtual_memory().total]
    for path in _CGROUP_LIMITS:
        try:
            found.append(int(Path(path).read_text()))
        except (OSError, ValueError):
            continue  # no such control group, or no limit (`max`)
    return min(found)


def _total_gpu_memory() -> int:
    cuda = _cuda()
    return int(cuda.mem_get_info()[1]) if cuda else 0


def _cuda_usage(*, peak: bool) -> int:
    """What torch has allocated, plus all that is not torch's on the GPU: CTranslate2 has its own allocator."""
    cuda = _cuda()
    if cuda is None:
        return 0
    free, total = cuda.mem_get_info()
    beside_torch = max(0, total - free - cuda.memory_reserved())
    return int((cuda.max_memory_allocated() if peak else cuda.memory_allocated()) + beside_torch)


def _cuda() -> Any | None:
    """torch.cuda if torch is imported and finds a GPU; never imports torch."""
    torch: Any = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _linux_peak() -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
