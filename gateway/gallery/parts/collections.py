"""Collections: named sets of artifacts, one reference each, changed by compare-and-swap."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, TypeAdapter

from gateway.errors import NotFound, WrongInput
from storage.errors import RecordCorrupt
from storage.refs import Refs

_FOLDER = "collections"
_MAX_NAME_CHARACTERS = 80
_MAX_ARTIFACTS = 10_000


class Collection(BaseModel):
    """A named set of artifacts in the order in which they were added. `forgotten` marks a deleted collection."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    artifacts: tuple[str, ...] = ()
    forgotten: bool = False


_SHAPE = TypeAdapter(Collection)


class Collections:
    """The collections of one project."""

    def __init__(self, refs: Refs) -> None:
        self._refs = refs

    def all(self) -> list[Collection]:
        """List the collections that can be read, sorted by name; `triptych verify` reports the others."""
        found: list[Collection] = []
        for name in self._refs.names(_FOLDER):
            with suppress(RecordCorrupt):
                collection = self._read(name.removeprefix(f"{_FOLDER}/"))
                found += [collection] if collection else []
        return sorted(found, key=lambda each: (each.name.casefold(), each.id))

    def get(self, collection_id: str) -> Collection:
        """Return a collection. Raises NotFound, RecordCorrupt."""
        found = self._read(collection_id) if collection_id.isalnum() and collection_id.isascii() else None
        if found is None:
            raise NotFound("There is no such collection.")
        return found

    def get_or_create(self, name: str) -> Collection:
        """Return the collection of this name, ignoring case; create it if there is none. Raises WrongInput."""
        wanted = " ".join(name.split())
        if not wanted or len(wanted) > _MAX_NAME_CHARACTERS or not wanted.isprintable():
            raise WrongInput(f"A collection needs a name of 1 to {_MAX_NAME_CHARACTERS} characters.")
        for each in self.all():
            if each.name.casefold() == wanted.casefold():
                return each
        created = Collection(id=uuid4().hex[:16], name=wanted)
        self._refs.update(_ref_name(created.id), lambda _: created.model_dump(mode="json"))
        return created

    def add(self, collection_id: str, artifact: str) -> None:
        """Add an artifact, unless the collection contains it already. Raises NotFound, WrongInput."""

        def change(found: Collection) -> Collection:
            if len(found.artifacts) >= _MAX_ARTIFACTS:
                raise WrongInput(f"A collection holds at most {_MAX_ARTIFACTS} things: make another one.")
            return found.model_copy(update={"artifacts": tuple(dict.fromkeys((*found.artifacts, artifact)))})

        self._change(collection_id, change)

    def remove(self, collection_id: str, artifact: str) -> None:
        """Remove an artifact from the collection. Raises NotFound."""
        self._change(
            collection_id,
            lambda found: found.model_copy(update={"artifacts": tuple(a for a in found.artifacts if a != artifact)}),
        )

    def delete(self, collection_id: str) -> None:
        """Delete the collection, not its artifacts. Raises NotFound."""
        self._change(collection_id, lambda found: found.model_copy(update={"forgotten": True, "artifacts": ()}))

    def _change(self, collection_id: str, change: Callable[[Collection], Collection]) -> None:
        self.get(collection_id)

        def changed(value: Any | None) -> Any:
            return change(Collection.model_validate(value)).model_dump(mode="json")

        self._refs.update(_ref_name(collection_id), changed)

    def _read(self, collection_id: str) -> Collection | None:
        found = self._refs.get_as(_ref_name(collection_id), _SHAPE)
        return None if found is None or found.forgotten else found


def _ref_name(collection_id: str) -> str:
    return f"{_FOLDER}/{collection_id}"
