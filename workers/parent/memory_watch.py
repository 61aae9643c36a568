"""The bound on what a run may take: its process is killed when it holds more.

Not RLIMIT_AS or RLIMIT_DATA: they count address space, of which CUDA reserves more than there is memory. Resident
memory is what runs out, and a look from outside works with every library, counts what a flow started, and says why.
"""

import asyncio
from collections.abc import Sequence

from workers.parent.slot import Slot

_LOOK_SECONDS = 0.2


async def watch_memory(slots: Sequence[Slot], megabytes: int) -> None:
    """Kill a busy process that holds, with all that it started, more than so many MB (2**20 bytes)."""
    while megabytes:
        for slot in slots:
            if slot.flow_run_id is not None and (held := slot.resident_bytes) > megabytes * 2**20:
                slot.kill(f"it held {held / 2**20:.0f} MB, and memory_megabytes allows {megabytes}.")
        await asyncio.sleep(_LOOK_SECONDS)
