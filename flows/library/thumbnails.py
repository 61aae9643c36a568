"""Cached thumbnails: JPEG files in the cache folder of a machine, named by the artifact that they show."""

import glob
from pathlib import Path

from flows.running.platform import Space


def thumbnail_path(space: Space, sha256: str, variant: str) -> Path:
    """Return the path of a thumbnail of an artifact; `variant` tells its size, and which part it shows."""
    return _folder(space) / f"{sha256}-{variant}.jpg"


def remove_thumbnails(space: Space, sha256: str) -> None:
    """Delete all thumbnails of an artifact from the cache of this machine."""
    for path in _folder(space).glob(f"{glob.escape(sha256)}-*.jpg"):
        path.unlink(missing_ok=True)


def _folder(space: Space) -> Path:
    return space.platform.settings.cache_dir / "thumbnails" / space.project
