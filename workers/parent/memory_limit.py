"""Enforce the memory limit of runs by polling the resident memory of the child processes.

Not by RLIMIT_AS or RLIMIT_DATA: they count address space, of which CUDA reserves more than there is memory. Resident
memory is what runs out; measured from outside, it includes the flow's own subprocesses, and the error can say why.
"""

import asyncio
from collections.abc import Sequence

from workers.parent.slot import Slot

_POLL_SECONDS = 0.2


async def enforce_memory_limit(slots: Sequence[Slot], megabytes: int) -> None:
    """Kill each busy process that uses, with its descendants, more than `megabytes` (2**20 bytes); 0: no limit."""
    while megabytes:
        for slot in slots:
            if slot.flow_run_id is not None and (used := slot.resident_bytes) > megabytes * 2**20:
                slot.kill(f"it held {used / 2**20:.0f} MB, and memory_megabytes allows {megabytes}.")
        await asyncio.sleep(_POLL_SECONDS)
