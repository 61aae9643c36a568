"""Sidecars: files beside a picture that tell about it, such as XMP and the JSON of Google Takeout."""

import tempfile
from pathlib import Path

from flows.running.platform import Space
from media.errors import ItemError
from media.facts import Property
from media.read import SIDECAR
from storage.errors import ObjectNotFound
from storage.objects import StoredObject

SIDECARS_METADATA = "sidecars"
"""Key of the object metadata that holds the number of sidecars of an upload."""
MAX_SIDECAR_BYTES = 1_000_000
_MAX_SIDECARS = 5


def sidecar_key(key: str, number: int) -> str:
    """The key of a sidecar of an upload."""
    return f"{key}.sidecar-{number}"


def read_sidecars(space: Space, upload: StoredObject) -> dict[str, Property]:
    """Return what the sidecars of an upload tell. One that is missing or cannot be read is skipped.

    Sidecars expire with tmp/.
    """
    count = upload.metadata.get(SIDECARS_METADATA, "0")
    properties: dict[str, Property] = {}
    for number in range(min(int(count), _MAX_SIDECARS) if count.isdecimal() else 0):
        try:
            data = space.platform.bucket.get(sidecar_key(upload.key, number))[:MAX_SIDECAR_BYTES]
        except ObjectNotFound:
            continue
        with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
            path = Path(folder) / "sidecar"
            path.write_bytes(data)
            try:
                extract, _ = space.platform.decoders.read(path, SIDECAR)
            except ItemError as error:
                if error.retryable:
                    raise
                continue
        properties |= {told.place: told.text for told in extract.passages}
    return properties
