"""Deletion marks: a blob that nothing names is marked first and swept later, unless a writer needs it meanwhile.

A mark is a reference that is changed by compare-and-swap. The first pass of the garbage collector sets it to
`condemned`. A later pass sets it to `sweeping`, deletes the blob, then removes the mark. A writer that finds its bytes
stored already sets a `condemned` mark to `spared` before it relies on them. Only one of the two swaps can succeed:
either the blob stays, or the writer waits until it is deleted and stores it again. This is safe as long as a writer
records what it found within the grace time between the two passes.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.bucket import Bucket
from storage.refs import Refs

FOLDER = "condemned"
_LEASE = timedelta(seconds=60)
"""How long a sweep may take from `begin_sweep` to the delete; after twice that, the sweeper is taken for dead."""
_POLL_SECONDS = 0.05


class MarkWithdrawn(Exception):
    """The blob is not marked for deletion any more."""


class DeletionMarks:
    """The blobs of one project that are marked for deletion."""

    def __init__(self, bucket: Bucket, project: str) -> None:
        self._refs = Refs(bucket, project)

    def marked(self) -> dict[str, datetime]:
        """The time at which each blob was marked, by sha256; withdrawn marks are left out."""
        found: dict[str, datetime] = {}
        for name in self._refs.names(FOLDER):
            value = self._refs.get(name)
            if value and value["state"] == "condemned":
                found[name.removeprefix(f"{FOLDER}/")] = datetime.fromisoformat(value["since"])
        return found

    def expired(self, older_than: timedelta) -> list[str]:
        """Blobs whose mark was withdrawn, or whose sweeper died, longer ago than `older_than` and twice the lease."""
        now = datetime.now(UTC)
        values = ((name, self._refs.get(name)) for name in self._refs.names(FOLDER))
        return [
            name.removeprefix(f"{FOLDER}/")
            for name, value in values
            if value
            and value["state"] != "condemned"
            and datetime.fromisoformat(value["since"]) + max(older_than, 2 * _LEASE) < now
        ]

    def mark(self, sha256: str) -> None:
        """Mark a blob for deletion, in the first pass; an existing mark stays as it is."""
        self._refs.update(_name(sha256), lambda now: now or _state("condemned"))

    def begin_sweep(self, sha256: str) -> datetime:
        """Take the lease to delete a marked blob, for which writers wait from now on; returns when the lease ends.

        Raises MarkWithdrawn.
        """

        def change(now: Any) -> Any:
            if not now or now["state"] != "condemned":
                raise MarkWithdrawn
            return _state("sweeping")

        return datetime.fromisoformat(self._refs.update(_name(sha256), change)["since"]) + _LEASE

    def clear(self, sha256: str) -> None:
        """Remove the mark of a blob."""
        self._refs.remove(_name(sha256))

    def withdraw(self, sha256: str) -> None:
        """Withdraw a mark on behalf of a writer; waits for a sweep in progress.

        If the blob exists after this returns, no sweep that has begun deletes it.
        """

        def change(now: Any) -> Any:
            return _state("spared") if now and _can_be_withdrawn(now) else now

        while (now := self._refs.get(_name(sha256))) is not None and now["state"] != "spared":
            if _can_be_withdrawn(now):
                self._refs.update(_name(sha256), change)
            else:
                time.sleep(_POLL_SECONDS)


def _can_be_withdrawn(value: Any) -> bool:
    """Whether no live sweeper holds the lease of this mark."""
    is_dead = datetime.fromisoformat(value["since"]) + 2 * _LEASE < datetime.now(UTC)
    return value["state"] == "condemned" or is_dead


def _state(state: str) -> dict[str, str]:
    return {"state": state, "since": datetime.now(UTC).isoformat()}


def _name(sha256: str) -> str:
    return f"{FOLDER}/{sha256}"
