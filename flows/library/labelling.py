"""Change the labels of artifacts in the bucket, and bring the library and the search index up to date."""

from collections.abc import Iterable, Mapping, Sequence

from flows.running.platform import Space
from storage.records import ArtifactRecord


def update_labels(space: Space, sha256: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> tuple[str, ...]:
    """Add and remove labels of an artifact; return the new labels. Raises ArtifactNotFound, InvalidName."""
    labels = space.labels.change(sha256, add, remove)
    sync_labels(space, [space.records.get(sha256)], {})
    return labels


def sync_labels(space: Space, records: Sequence[ArtifactRecord], known: Mapping[str, tuple[str, ...]]) -> None:
    """Write the labels of artifacts from the bucket to the database, where they differ from `known`, which it has.

    Labels that cannot be read stay as the database has them. After each write the bucket is read again, until nothing
    has changed: of two concurrent changes the later one wins.
    """
    written = dict(known)
    while True:
        now, _ = space.labels.of_many(records)
        stale = {sha256: labels for sha256, labels in now.items() if written.get(sha256) != labels}
        if not stale:
            return
        for sha256, labels in stale.items():
            space.index.set_labels(space.project, sha256, labels)
            space.library.set_labels(space.project, sha256, labels)
        written |= stale
