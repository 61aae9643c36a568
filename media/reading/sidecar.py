"""Read what a sidecar tells about its picture: XMP (Adobe, darktable, digiKam) and the JSON of Google Takeout."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from media.errors import UnreadableMedia
from media.images.captions import plain, read_xmp
from media.images.exif import iso_time
from media.reading.contents import Extract, Passages


def read_sidecar(path: Path) -> Extract:
    """Return a passage for each property that is told, whose place is the name of the property."""
    data = path.read_bytes()
    told = _from_json(data) if data.lstrip()[:1] == b"{" else _from_xmp(data)
    found: dict[str, str] = {}
    for name, value in told:
        text = iso_time(plain(value)) if name == "taken" else plain(value)
        if text and name not in found:
            found[name] = text
    return Extract(passages=tuple(Passages(place=name, text=text) for name, text in found.items()))


def _from_json(data: bytes) -> Iterator[tuple[str, str]]:
    try:
        document: Any = json.loads(data)
        stamp = document.get("photoTakenTime", {}).get("timestamp", "")
        people = [str(person.get("name", "")) for person in document.get("people", [])]
        description = str(document.get("description", ""))
        taken = datetime.fromtimestamp(int(stamp), UTC).isoformat() if stamp else ""
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError, OSError) as error:
        raise UnreadableMedia("The sidecar is not JSON as Google Takeout writes it.") from error
    yield from (("taken", taken), ("description", description), ("keywords", ", ".join(filter(None, people))))


def _from_xmp(data: bytes) -> list[tuple[str, str]]:
    try:
        return read_xmp(data)
    except ValueError as error:
        raise UnreadableMedia("The sidecar is no XMP.") from error
