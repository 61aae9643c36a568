"""References: the few mutable things of a project (aliases, collections), changed by compare-and-swap."""

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from storage.bucket import Bucket
from storage.errors import Conflict, InvalidName, ObjectNotFound, RecordCorrupt
from storage.names import checked_project

MODELS = "models"
"""The folder that belongs to no project: published weights, and the aliases of their versions."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}(/[a-z0-9][a-z0-9._-]{0,127})?")
_ATTEMPTS = 8


class Refs:
    """Named JSON values of one project, or of MODELS; a name may have one folder before it."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._bucket = bucket
        self.project = project if project == MODELS else checked_project(project)

    def get(self, name: str) -> Any | None:
        """The value, or None when the reference was never set."""
        value, _ = self._read(name)
        return value

    def update(self, name: str, change: Callable[[Any | None], Any]) -> Any:
        """Replace the value by `change(value)`, again from the start whenever somebody else was faster."""
        for _ in range(_ATTEMPTS):
            value, etag = self._read(name)
            changed = change(value)
            if self._write(name, changed, etag):
                return changed
        raise Conflict(f"Too many others change the reference {name}: try again.")

    def remove(self, name: str) -> None:
        """Forget a reference."""
        self._bucket.remove(self._key(name))

    def names(self, folder: str) -> list[str]:
        """The names of the references in a folder, such as `labels`: each with its folder."""
        prefix = f"{self.project}/refs/"
        found = self._bucket.objects(f"{prefix}{folder}/")
        return [item.key.removeprefix(prefix).removesuffix(".json") for item in found]

    def _write(self, name: str, value: Any, etag: str | None) -> bool:
        # The id tells our write from an equal one of somebody else.
        data = json.dumps({"value": value, "write": str(uuid4())}, ensure_ascii=False).encode()
        key = self._key(name)
        try:
            if etag is None:
                return self._bucket.create(key, data, media_type="application/json")
            self._bucket.replace(key, data, etag=etag)
        except (Conflict, ObjectNotFound):
            return self._holds(key, data)
        return True

    def _holds(self, key: str, data: bytes) -> bool:
        """Whether our write is there after all: a retried request can lose against itself."""
        try:
            return self._bucket.get(key) == data
        except ObjectNotFound:  # somebody removed the reference meanwhile
            return False

    def _read(self, name: str) -> tuple[Any | None, str | None]:
        try:
            data, etag = self._bucket.read_versioned(self._key(name))
        except ObjectNotFound:
            return None, None
        try:
            return json.loads(data)["value"], etag
        except (ValueError, KeyError, TypeError) as error:
            raise RecordCorrupt(f"{self._key(name)} cannot be read: run `triptych verify --repair`.") from error

    def _key(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise InvalidName(f"{name!r} cannot name a reference: use a-z, 0-9, '.', '_' and '-', and at most one '/'.")
        return f"{self.project}/refs/{name}.json"
