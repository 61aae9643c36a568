"""Collections: named sets of artifacts, one reference each, changed by compare-and-swap."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from gateway.errors import NotFound, WrongInput
from storage.refs import Refs

_FOLDER = "collections"
_LONGEST_NAME = 80
_MOST_ARTIFACTS = 10_000


class Collection(BaseModel):
    """A named set; what was put into it last comes last."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    artifacts: tuple[str, ...] = ()
    forgotten: bool = False


class Collections:
    """The collections of one project."""

    def __init__(self, refs: Refs) -> None:
        self._refs = refs

    def all(self) -> list[Collection]:
        """Every collection, by name."""
        found = [self._read(name.removeprefix(f"{_FOLDER}/")) for name in self._refs.names(_FOLDER)]
        return sorted((each for each in found if each), key=lambda each: (each.name.casefold(), each.id))

    def get(self, identity: str) -> Collection:
        """Raises NotFound."""
        found = self._read(identity) if identity.isalnum() and identity.isascii() else None
        if found is None:
            raise NotFound("There is no such collection.")
        return found

    def named(self, name: str) -> Collection:
        """The collection of this name, made if there is none. Raises WrongInput."""
        wanted = " ".join(name.split())
        if not wanted or len(wanted) > _LONGEST_NAME or not wanted.isprintable():
            raise WrongInput(f"A collection needs a name of 1 to {_LONGEST_NAME} characters.")
        for each in self.all():
            if each.name.casefold() == wanted.casefold():
                return each
        made = Collection(id=uuid4().hex[:16], name=wanted)
        self._refs.update(_place(made.id), lambda _: made.model_dump(mode="json"))
        return made

    def put_in(self, identity: str, artifact: str) -> None:
        """Add an artifact; one that is in it already stays where it is. Raises NotFound, WrongInput."""

        def change(found: Collection) -> Collection:
            if len(found.artifacts) >= _MOST_ARTIFACTS:
                raise WrongInput(f"A collection holds at most {_MOST_ARTIFACTS} things: make another one.")
            return found.model_copy(update={"artifacts": tuple(dict.fromkeys((*found.artifacts, artifact)))})

        self._change(identity, change)

    def take_out(self, identity: str, artifact: str) -> None:
        """Remove an artifact from it. Raises NotFound."""
        self._change(
            identity,
            lambda found: found.model_copy(update={"artifacts": tuple(a for a in found.artifacts if a != artifact)}),
        )

    def forget(self, identity: str) -> None:
        """Nobody sees it any more; what was in it stays. Raises NotFound."""
        self._change(identity, lambda found: found.model_copy(update={"forgotten": True, "artifacts": ()}))

    def _change(self, identity: str, change: Callable[[Collection], Collection]) -> None:
        self.get(identity)

        def changed(value: Any | None) -> Any:
            return change(Collection.model_validate(value)).model_dump(mode="json")

        self._refs.update(_place(identity), changed)

    def _read(self, identity: str) -> Collection | None:
        value = self._refs.get(_place(identity))
        if value is None:
            return None
        found = Collection.model_validate(value)
        return None if found.forgotten else found


def _place(identity: str) -> str:
    return f"{_FOLDER}/{identity}"
