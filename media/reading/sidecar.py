"""Read what a sidecar tells about its picture: XMP (Adobe, darktable, digiKam) and the JSON of Google Takeout."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from media.errors import UnreadableMedia
from media.images.exif import iso_time
from media.reading.contents import Extract, Passages

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage]

_XMP_NAMES = {
    "title": "title",
    "description": "description",
    "subject": "keywords",
    "DateTimeOriginal": "taken",
    "DateCreated": "taken",
    "CreateDate": "taken",
    "Model": "camera",
}
_MAX_CHARACTERS = 5000


def read_sidecar(path: Path) -> Extract:
    """Return a passage for each property that is told, whose place is the name of the property."""
    data = path.read_bytes()
    told = _from_json(data) if data.lstrip()[:1] == b"{" else _from_xmp(data)
    found: dict[str, str] = {}
    for name, value in told:
        text = "".join(c for c in value if c.isprintable() or c == "\n").strip()[:_MAX_CHARACTERS]
        text = iso_time(text) if name == "taken" else text
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


def _from_xmp(data: bytes) -> Iterator[tuple[str, str]]:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:  # nothing in it can be recovered
        raise UnreadableMedia("The sidecar is no XMP.") from error
    if root is None:
        raise UnreadableMedia("The sidecar is no XMP.")
    names = list(_XMP_NAMES)
    elements = [element for element in root.iter() if isinstance(element.tag, str)]
    values: list[tuple[int, str, str]] = []
    for element in elements:
        for tag, value in ((element.tag, _words(element)), *((str(k), str(v)) for k, v in element.attrib.items())):
            name = tag.rsplit("}", 1)[-1]
            if name in _XMP_NAMES:
                values.append((names.index(name), _XMP_NAMES[name], value))
    yield from ((name, value) for _, name, value in sorted(values, key=lambda each: each[0]))


def _words(element: "_Element") -> str:
    """The text of an element, or the items of the list in it, joined by commas."""
    # The tag of a comment is a function.
    elements = [one for one in element.iter() if isinstance(one.tag, str)]  # pyright: ignore[reportUnnecessaryIsInstance]
    items = [" ".join((one.text or "").split()) for one in elements]
    return ", ".join(item for item in items if item)
