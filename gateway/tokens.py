"""Create, look up and revoke access tokens. The bucket keeps the hash of a token; the token itself is shown once."""

import hashlib
import logging
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import AlreadyExists, NotFound, WrongInput
from storage.bucket import Bucket
from storage.errors import ObjectNotFound
from storage.names import checked_project
from storage.refs import Refs

Role = Literal["viewer", "maker", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "maker", "admin")
"""In ascending order: each role includes the rights of those before it."""
_LOG = logging.getLogger(__name__)
_PREFIX = "gateway/tokens/"
_CACHE_TTL_SECONDS = 5.0
_CACHE_ENTRIES = 1000
_NAME = re.compile(r"[^\x00-\x1f:,/]{1,64}")


class Person(BaseModel):
    """The holder of a token: a name, a role, and the project that the token is for."""

    model_config = ConfigDict(frozen=True)

    name: str
    role: Role
    project: str = "default"
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def has_role(self, role: Role) -> bool:
        """Whether the person has this role or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def resolve_project(self, project: str | None) -> str:
        """Return the project to work in: an admin may name any, others only their own. Raises NotFound."""
        if project is None or project == self.project:
            return self.project
        if self.role != "admin":
            raise NotFound(f"There is no project {project}.")
        return checked_project(project)


class Tokens:
    """The tokens in the bucket, with a cache for look-ups."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._cache: dict[str, tuple[float, Person | None]] = {}

    def create(self, name: str, role: Role, project: str) -> str:
        """Create a token and return it; only its hash is kept. Raises AlreadyExists, WrongInput."""
        if not _NAME.fullmatch(name):
            raise WrongInput(f"{name!r} cannot name a token: use up to 64 characters without ':', ',' and '/'.")
        if any(person.name == name for person in self.list_people()):
            raise AlreadyExists(f"There is a token called {name} already: revoke it first, or take another name.")
        token = f"tt_{secrets.token_urlsafe(32)}"
        person = Person(name=name, role=role, project=checked_project(project))
        self._bucket.create(_key(token), person.model_dump_json().encode(), media_type="application/json")
        self._open_project(person.project)
        return token

    def open_projects(self) -> None:
        """Register the project of every token: earlier versions created tokens without doing so."""
        for project in {person.project for person in self.list_people()}:
            self._open_project(project)

    def _open_project(self, project: str) -> None:
        """Register a project by a reference, so that `inbox/<project>/` is its inbox before it has any artifact."""
        refs = Refs(self._bucket, project)
        if refs.get("project") is None:
            refs.update("project", lambda _: {"project": project})

    def find_person(self, token: str) -> Person | None:
        """Return the token's holder. The answer is cached for five seconds, so a revoked token works that long."""
        key = _key(token)
        read, person = self._cache.get(key, (0.0, None))
        if not read or time.monotonic() - read > _CACHE_TTL_SECONDS:
            person = self._read(key)
            if len(self._cache) >= _CACHE_ENTRIES:
                self._cache.clear()
            self._cache[key] = (time.monotonic(), person)
        return person

    def list_people(self) -> list[Person]:
        """Return all holders of a token, sorted by name."""
        people = [self._read(found.key) for found in self._bucket.objects(_PREFIX)]
        return sorted((person for person in people if person), key=lambda person: person.name)

    def revoke(self, name: str) -> None:
        """Revoke the token with this name. Raises NotFound."""
        keys = [found.key for found in self._bucket.objects(_PREFIX)]
        revoked = [key for key in keys if (person := self._read(key)) and person.name == name]
        if not revoked:
            raise NotFound(f"There is no token called {name}.")
        self._bucket.remove_all(revoked)

    def _read(self, key: str) -> Person | None:
        try:
            return Person.model_validate_json(self._bucket.get(key))
        except ObjectNotFound:
            return None
        except ValidationError:
            _LOG.warning("%s cannot be read, and lets nobody in: make a new token.", key)
            return None


def _key(token: str) -> str:
    # A token has 256 random bits, so a fast hash is as safe as a slow password hash.
    return f"{_PREFIX}{hashlib.sha256(token.encode()).hexdigest()}.json"
