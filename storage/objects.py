"""Stored objects: their attributes, and the streams that they are read from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import urllib3


class Readable(Protocol):
    """Anything with a `read(size)` that returns bytes, empty at the end."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class StoredObject:
    """The attributes of an object, from a listing or a stat; `size` in bytes."""

    key: str
    size: int
    etag: str
    modified: datetime | None
    metadata: dict[str, str]
    media_type: str = ""
    """Empty in listings, which do not contain it."""


def object_from_response(key: str, response: urllib3.BaseHTTPResponse) -> StoredObject:
    """The attributes of the object that a response of `Bucket.open` reads."""
    headers = response.headers
    size, etag = int(headers.get("content-length", 0)), headers.get("etag", "").strip('"')
    return StoredObject(key, size, etag, None, user_metadata(headers), headers.get("content-type", ""))


def user_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """The user metadata among the headers of a response, without its prefix."""
    prefix = "x-amz-meta-"
    lower = {name.lower(): value for name, value in headers.items()}
    return {name[len(prefix) :]: value for name, value in lower.items() if name.startswith(prefix)}
