"""References: the mutable values of a project (labels, aliases, deletion marks), changed by compare-and-swap."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from storage.bucket import Bucket
from storage.errors import Conflict, InvalidName, ObjectNotFound, RecordCorrupt
from storage.names import checked_project

MODELS = "models"
"""The bucket folder of published weights and the aliases of their versions; it belongs to no project."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}(/[a-z0-9][a-z0-9._-]{0,127})?")
_ATTEMPTS = 8
_ANY: TypeAdapter[Any] = TypeAdapter(Any)
ValueT = TypeVar("ValueT")


class Refs:
    """Named JSON values of one project, or of MODELS; a name may have one folder: `labels/<id>`."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._bucket = bucket
        self.project = project if project == MODELS else checked_project(project)

    def get(self, name: str) -> Any | None:
        """The value, or None when the reference is not set. Raises RecordCorrupt."""
        value, _ = self._read(name)
        return value

    def get_as(self, name: str, shape: TypeAdapter[ValueT]) -> ValueT | None:
        """The value in its shape, or None when the reference is not set. Raises RecordCorrupt."""
        return self._shaped(name, self.get(name), shape)

    def update(self, name: str, change: Callable[[Any | None], Any], shape: TypeAdapter[Any] = _ANY) -> Any:
        """Replace the value by `change(value)` by compare-and-swap, with retries; returns the new value.

        Raises Conflict after too many lost swaps, RecordCorrupt.
        """
        for _ in range(_ATTEMPTS):
            value, etag = self._read(name)
            changed = change(self._shaped(name, value, shape))
            if self._write(name, changed, etag):
                return changed
        raise Conflict(f"Too many others change the reference {name}: try again.")

    def remove(self, name: str) -> None:
        """Delete a reference."""
        self._bucket.remove(self._key(name))

    def names(self, folder: str) -> Iterator[str]:
        """The names of the references in a folder such as `labels`, each with its folder; a request per 1,000."""
        prefix = f"{self.project}/refs/"
        found = self._bucket.objects(f"{prefix}{folder}/")
        return (item.key.removeprefix(prefix).removesuffix(".json") for item in found)

    def _write(self, name: str, value: Any, etag: str | None) -> bool:
        # A unique id tells this write from another writer's equal one.
        data = json.dumps({"value": value, "write": str(uuid4())}, ensure_ascii=False).encode()
        key = self._key(name)
        try:
            if etag is None:
                return self._bucket.create(key, data, media_type="application/json")
            self._bucket.replace(key, data, etag=etag)
        except (Conflict, ObjectNotFound):
            return self._is_stored(key, data)
        return True

    def _is_stored(self, key: str, data: bytes) -> bool:
        """Whether this write is stored: a retried request can conflict with its own first attempt."""
        try:
            return self._bucket.get(key) == data
        except ObjectNotFound:  # it was removed in the meantime
            return False

    def _read(self, name: str) -> tuple[Any | None, str | None]:
        try:
            data, etag = self._bucket.read_versioned(self._key(name))
        except ObjectNotFound:
            return None, None
        try:
            return json.loads(data)["value"], etag
        except (ValueError, KeyError, TypeError) as error:
            raise self._corrupt(name) from error

    def _shaped(self, name: str, value: Any | None, shape: TypeAdapter[ValueT]) -> ValueT | None:
        try:
            return None if value is None else shape.validate_python(value)
        except ValidationError as error:
            raise self._corrupt(name) from error

    def _corrupt(self, name: str) -> RecordCorrupt:
        return RecordCorrupt(f"{self._key(name)} cannot be read: run `triptych verify --repair`.")

    def _key(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise InvalidName(f"{name!r} cannot name a reference: use a-z, 0-9, '.', '_' and '-', and at most one '/'.")
        return f"{self.project}/refs/{name}.json"
