"""Notice that a disk that was full has room again.

The S3 server takes no writes while less than a hundredth of the disk is free, and looks for room once a minute only.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

_FULL, _ROOM = 0.01, 0.02
"""Fractions of the disk that are free; apart, so that a disk at the edge is not told to have room again and again."""


class DiskWatch:
    """Watches the free space of the disk of a folder."""

    def __init__(self, folder: Path, usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage) -> None:
        self._folder, self._usage = folder, usage
        self._was_full = False

    def has_room_again(self) -> bool:
        """Return whether the disk was full at an earlier call, and is not any more; told once."""
        total, _, free = self._usage(self._folder)
        if free < total * _FULL:
            self._was_full = True
        elif self._was_full and free >= total * _ROOM:
            self._was_full = False
            return True
        return False
