"""Condemned blobs: how the sweep and a writer of the same bytes agree on who wins.

A blob that nothing names is condemned first: a reference beside it says so. A later sweep turns that reference to
`sweeping`, deletes the blob and then the reference. A writer who finds his bytes there already turns `condemned` to
`spared` before he relies on them. Both are compare-and-swap, so one of them wins: either the blob stays, or the writer
waits until it is gone and stores it anew. What remains to be promised is that a writer records what he found within the
grace time between the two passes.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.bucket import Bucket
from storage.refs import Refs

FOLDER = "condemned"
_LEASE = timedelta(seconds=60)
"""How long a sweep may take from its word to its deed; twice that, and it is taken for dead."""
_POLL_SECONDS = 0.05


class Spared(Exception):
    """Somebody needs the blob after all."""


class Condemned:
    """The blobs of one project that are to go."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._refs = Refs(bucket, project)

    def all(self) -> dict[str, datetime]:
        """The condemned blobs with the time of the verdict; those that were spared meanwhile are pardoned here."""
        found: dict[str, datetime] = {}
        for name in self._refs.names(FOLDER):
            value = self._refs.get(name)
            if value and value["state"] == "condemned":
                found[name.removeprefix(f"{FOLDER}/")] = datetime.fromisoformat(value["since"])
        return found

    def stale(self, older_than: timedelta) -> list[str]:
        """Blobs that were spared, or left half swept by a process that died, so long ago that it counts no more."""
        now = datetime.now(UTC)
        values = ((name, self._refs.get(name)) for name in self._refs.names(FOLDER))
        return [
            name.removeprefix(f"{FOLDER}/")
            for name, value in values
            if value
            and value["state"] != "condemned"
            and datetime.fromisoformat(value["since"]) + max(older_than, 2 * _LEASE) < now
        ]

    def condemn(self, sha256: str) -> None:
        """The first pass."""
        self._refs.update(_name(sha256), lambda now: now or _state("condemned"))

    def begin(self, sha256: str) -> datetime:
        """The second pass: from here on writers wait. Until when the blob may be deleted. Raises Spared."""

        def change(now: Any) -> Any:
            if not now or now["state"] != "condemned":
                raise Spared
            return _state("sweeping")

        return datetime.fromisoformat(self._refs.update(_name(sha256), change)["since"]) + _LEASE

    def pardon(self, sha256: str) -> None:
        """Forget the verdict."""
        self._refs.remove(_name(sha256))

    def spare(self, sha256: str) -> None:
        """For writers: whatever stands under the blob's key when this returns stays."""

        def change(now: Any) -> Any:
            return _state("spared") if now and _is_open(now) else now

        while (now := self._refs.get(_name(sha256))) is not None and now["state"] != "spared":
            if _is_open(now):
                self._refs.update(_name(sha256), change)
            else:
                time.sleep(_POLL_SECONDS)


def _is_open(value: Any) -> bool:
    """Whether a writer may still turn the verdict: always, unless a sweep that lives is at it."""
    dead = datetime.fromisoformat(value["since"]) + 2 * _LEASE < datetime.now(UTC)
    return value["state"] == "condemned" or dead


def _state(state: str) -> dict[str, str]:
    return {"state": state, "since": datetime.now(UTC).isoformat()}


def _name(sha256: str) -> str:
    return f"{FOLDER}/{sha256}"
