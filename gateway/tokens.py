"""Tokens: who may use the gateway. A token is shown once; what is kept is its hash, in a part of the bucket that only
the gateway needs."""

import hashlib
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import AlreadyThere, NotThere, WrongInput
from storage.bucket import Bucket
from storage.errors import ObjectNotFound
from storage.names import checked_project

Role = Literal["viewer", "maker", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "maker", "admin")
"""Each may do what those before it may."""
_PREFIX = "gateway/tokens/"
_KNOWN_SECONDS = 5.0
_MOST_KNOWN = 1000
_NAME = re.compile(r"[^\x00-\x1f:,/]{1,64}")


class Person(BaseModel):
    """Who asks: a name, a role, and the project that it is for."""

    model_config = ConfigDict(frozen=True)

    name: str
    role: Role
    project: str = "default"
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def may(self, role: Role) -> bool:
        """Whether the person has this role, or one above it."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def project_named(self, project: str | None) -> str:
        """The project to work in: the person's own unless an admin names another. Raises NotThere."""
        if project is None or project == self.project:
            return self.project
        if self.role != "admin":
            raise NotThere(f"There is no project {project}.")
        return checked_project(project)


class Tokens:
    """The people who hold a token."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._known: dict[str, tuple[float, Person | None]] = {}

    def create(self, name: str, role: Role, project: str) -> str:
        """A new token; nobody can see it again. Raises AlreadyThere, WrongInput."""
        if not _NAME.fullmatch(name):
            raise WrongInput(f"{name!r} cannot name a token: use up to 64 characters without ':', ',' and '/'.")
        if any(person.name == name for person in self.all()):
            raise AlreadyThere(f"There is a token called {name} already: revoke it first, or take another name.")
        token = f"tt_{secrets.token_urlsafe(32)}"
        person = Person(name=name, role=role, project=checked_project(project))
        self._bucket.create(_key(token), person.model_dump_json().encode(), media_type="application/json")
        return token

    def holder(self, token: str) -> Person | None:
        """Who holds the token; a revoked one is forgotten within five seconds."""
        key = _key(token)
        read, person = self._known.get(key, (0.0, None))
        if not read or time.monotonic() - read > _KNOWN_SECONDS:
            person = self._read(key)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = (time.monotonic(), person)
        return person

    def all(self) -> list[Person]:
        """Everybody who holds a token, by name."""
        people = [self._read(found.key) for found in self._bucket.objects(_PREFIX)]
        return sorted((person for person in people if person), key=lambda person: person.name)

    def revoke(self, name: str) -> None:
        """The token of this name is worth nothing from now on. Raises NotThere."""
        keys = [found.key for found in self._bucket.objects(_PREFIX)]
        revoked = [key for key in keys if (person := self._read(key)) and person.name == name]
        if not revoked:
            raise NotThere(f"There is no token called {name}.")
        self._bucket.remove_all(revoked)

    def _read(self, key: str) -> Person | None:
        try:
            return Person.model_validate_json(self._bucket.get(key))
        except ObjectNotFound:
            return None


def _key(token: str) -> str:
    # A token has 256 random bits: one round of a fast hash keeps it as well as many of a slow one.
    return f"{_PREFIX}{hashlib.sha256(token.encode()).hexdigest()}.json"
