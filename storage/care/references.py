"""What references hold, by their folder, and whether one can be read."""

import json
from typing import Any

from pydantic import TypeAdapter

from storage import labels
from storage.care import tombstones

_SHAPES: dict[str, TypeAdapter[Any]] = {
    labels.FOLDER: labels.SHAPE,
    tombstones.FOLDER: tombstones.SHAPE,
}
"""What the references of a folder hold."""


def read_reference(name: str, data: bytes) -> dict[str, Any] | None:
    """The document of a reference; None if it cannot be read. A value of None is one that is not set."""
    try:
        document = json.loads(data)
        if document["value"] is not None and (shape := _SHAPES.get(name.split("/")[0])):
            shape.validate_python(document["value"])
    except (ValueError, TypeError, KeyError):  # a ValidationError is a ValueError
        return None
    return document
