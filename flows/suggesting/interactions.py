"""What people opened, chose and downloaded: one object for each person and project, kept only where a project says so.

gateway/interactions/PROJECT/DIGEST.json    the person's name; by artifact, the last first: how often what was done
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from storage.bucket import Bucket
from storage.errors import Conflict, ObjectNotFound
from storage.names import INTERACTIONS, checked_project
from storage.refs import Refs

Action = Literal["opened", "chosen", "downloaded"]
_WEIGHTS: dict[Action, float] = {"opened": 1.0, "chosen": 4.0, "downloaded": 3.0}
_MOST_TIMES = 3
_MOST_ARTIFACTS = 1000
_ATTEMPTS = 5
_SETTING = "suggestions"
_ON = TypeAdapter(bool)


class Interaction(BaseModel):
    """What somebody did with an artifact, how often, and the last day."""

    model_config = ConfigDict(extra="forbid")

    times: dict[Action, int] = {}
    day: date

    @property
    def weight(self) -> float:
        """How much it says about the person's taste: once opened is 1; at most three times count."""
        return sum(_WEIGHTS[action] * min(times, _MOST_TIMES) for action, times in self.times.items())


class PersonInteractions(BaseModel):
    """All that is kept of one person in one project; of the last 1,000 artifacts, the last one first."""

    model_config = ConfigDict(extra="forbid")

    person: str
    artifacts: dict[str, Interaction] = Field(default={})

    @property
    def weights(self) -> dict[str, float]:
        return {artifact: each.weight for artifact, each in self.artifacts.items()}

    def noted(self, artifact: str, action: Action, today: date) -> "PersonInteractions":
        """Return it with one more action."""
        times = dict(self.artifacts[artifact].times) if artifact in self.artifacts else {}
        times[action] = times.get(action, 0) + 1
        now = Interaction(times=times, day=today)
        others = {other: each for other, each in self.artifacts.items() if other != artifact}
        kept = dict(list(({artifact: now} | others).items())[:_MOST_ARTIFACTS])
        return PersonInteractions(person=self.person, artifacts=kept)


class Interactions:
    """The interactions of the persons of one project."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._bucket = bucket
        self._prefix = f"{INTERACTIONS}{checked_project(project)}/"
        self._refs = Refs(bucket, project)

    def are_kept(self) -> bool:
        """Whether the project keeps them; by default it does not. Raises RecordCorrupt."""
        return self._refs.get_as(_SETTING, _ON) or False

    def keep(self) -> None:
        """Keep them from now on."""
        self._refs.update(_SETTING, lambda _: True)

    def stop(self) -> None:
        """Keep none from now on, and delete those of every person."""
        self._refs.update(_SETTING, lambda _: False)
        self._bucket.remove_all(found.key for found in self._bucket.objects(self._prefix))

    def note(self, person: str, artifact: str, action: Action) -> None:
        """Keep that somebody did something, by compare-and-swap; nothing where the project keeps none.

        Raises Conflict after too many lost swaps.
        """
        if not self.are_kept():
            return
        key, today = self._key(person), datetime.now(UTC).date()
        for _ in range(_ATTEMPTS):
            try:
                data, etag = self._bucket.read_versioned(key)
            except ObjectNotFound:
                data, etag = b"", ""
            before = _parsed(data) or PersonInteractions(person=person)
            now = before.noted(artifact, action, today).model_dump_json(exclude_defaults=True).encode()
            try:
                if etag:
                    self._bucket.replace(key, now, etag=etag)
                elif not self._bucket.create(key, now, media_type="application/json"):
                    continue
            except (Conflict, ObjectNotFound):
                continue
            return
        raise Conflict(f"Too many others change what {person} did: try again.")

    def of(self, person: str) -> PersonInteractions:
        """What is kept of a person."""
        try:
            return _parsed(self._bucket.get(self._key(person))) or PersonInteractions(person=person)
        except ObjectNotFound:
            return PersonInteractions(person=person)

    def versions(self) -> tuple[tuple[str, str], ...]:
        """The keys of all persons with the etags of what is kept: equal as long as nothing changes."""
        return tuple((found.key, found.etag) for found in self._bucket.objects(self._prefix))

    def all(self) -> Iterator[PersonInteractions]:
        """What is kept of every person; what cannot be read is left out."""
        for key, _ in self.versions():
            try:
                found = _parsed(self._bucket.get(key))
            except ObjectNotFound:
                continue
            if found:
                yield found

    def forget(self, person: str) -> bool:
        """Delete what is kept of a person; return whether there was something."""
        key = self._key(person)
        there = self._bucket.stat(key) is not None
        self._bucket.remove(key)
        return there

    def _key(self, person: str) -> str:
        return f"{self._prefix}{_digest(person)}.json"


def forget_everywhere(bucket: Bucket, person: str) -> list[str]:
    """Delete what is kept of a person in every project; return those projects."""
    ending = f"/{_digest(person)}.json"
    keys = [found.key for found in bucket.objects(INTERACTIONS) if found.key.endswith(ending)]
    bucket.remove_all(keys)
    return [key.removeprefix(INTERACTIONS).removesuffix(ending) for key in keys]


def _digest(person: str) -> str:
    return hashlib.sha256(person.encode()).hexdigest()[:32]


def _parsed(data: bytes) -> PersonInteractions | None:
    try:
        return PersonInteractions.model_validate_json(data) if data else None
    except ValidationError:
        return None
