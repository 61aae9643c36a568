"""Memory: what this process holds, in main memory and on its GPU, and how much of both there is. All in bytes."""

import ctypes
import gc
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_SHARE_OF_MAIN, _SHARE_OF_GPU = 0.8, 0.9
"""What models may take of the memory that there is, unless the settings say otherwise."""
_SAID = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")
"""How the libraries' errors speak of it that have no type of their own for it."""


@dataclass(frozen=True)
class Memory:
    """Main memory, and memory of the GPU."""

    resident: int = 0
    cuda: int = 0

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.resident + other.resident, self.cuda + other.cuda)

    def __sub__(self, other: "Memory") -> "Memory":
        """What is left, at least nothing."""
        return Memory(max(0, self.resident - other.resident), max(0, self.cuda - other.cuda))

    def fits(self, limit: "Memory") -> bool:
        return self.resident <= limit.resident and self.cuda <= limit.cuda

    def __str__(self) -> str:
        main = f"{self.resident / 1e9:.2f} GB"
        return f"{main} and {self.cuda / 1e9:.2f} GB of the GPU" if self.cuda else main


def default_limit(resident: int | None, cuda: int | None) -> Memory:
    """What models may take: the given numbers, else a share of what the machine or its container has."""
    return Memory(
        resident if resident is not None else int(_main_memory() * _SHARE_OF_MAIN),
        cuda if cuda is not None else int(_gpu_memory() * _SHARE_OF_GPU),
    )


def in_use() -> Memory:
    """What this process holds now."""
    return Memory(psutil.Process().memory_info().rss, _cuda_in_use(peak=False))


def forget_peak() -> None:
    """Let `peak` count from now on."""
    if _peak_of_linux() is not None:
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return  # not allowed here: the peak is then that of the whole life of this process
    if cuda := _cuda():
        cuda.reset_peak_memory_stats()


def peak() -> Memory:
    """The most that was held since `forget_peak`; where the system does not tell, what is held now."""
    return Memory(_peak_of_linux() or psutil.Process().memory_info().rss, _cuda_in_use(peak=True))


def give_back() -> None:
    """Return what is no longer referenced to the system and to the GPU, where allocators would keep it."""
    gc.collect()
    if sys.platform == "linux":
        trim: Any = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
        if trim is not None:
            trim(0)
    if cuda := _cuda():
        cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, torch or CTranslate2 means that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SAID)


def _main_memory() -> int:
    """The machine's main memory, or what its container may use of it."""
    found = [psutil.virtual_memory().total]
    for path in _CGROUP_LIMITS:
        try:
            found.append(int(Path(path).read_text()))
        except (OSError, ValueError):
            continue  # no such control group, or `max`
    return min(found)


def _gpu_memory() -> int:
    cuda = _cuda()
    return int(cuda.mem_get_info()[1]) if cuda else 0


def _cuda_in_use(*, peak: bool) -> int:
    """What torch has allocated, and what anything else holds on the GPU: CTranslate2 has an allocator of its own."""
    cuda = _cuda()
    if cuda is None:
        return 0
    free, total = cuda.mem_get_info()
    beside_torch = max(0, total - free - cuda.memory_reserved())
    return int((cuda.max_memory_allocated() if peak else cuda.memory_allocated()) + beside_torch)


def _cuda() -> Any | None:
    """torch.cuda, where torch was imported and finds a GPU."""
    torch: Any = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _peak_of_linux() -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)
