"""Remember which files were verified, so that gigabytes are hashed once and not at each load."""

import hashlib
import json
from pathlib import Path

from modalities.models.hub.files import HubFile


class VerifiedFiles:
    """Marks in a folder, each named by a file's path, size, modification time and digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, path: Path, file: HubFile) -> bool:
        """Whether the file was verified as it is now."""
        return self._mark_of(path, file).exists()

    def mark(self, path: Path, file: HubFile) -> None:
        """Note that the file was verified as it is now."""
        mark = self._mark_of(path, file)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()

    def _mark_of(self, path: Path, file: HubFile) -> Path:
        about = path.stat()
        state = [str(path), about.st_size, about.st_mtime_ns, file.digest]
        return self._folder / hashlib.sha256(json.dumps(state).encode()).hexdigest()


def derived_folder(cache: Path, digest: str) -> Path:
    """Return the folder of what is derived from weights, such as converted checkpoints."""
    return cache / "derived" / digest[:32]
