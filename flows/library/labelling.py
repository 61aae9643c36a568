"""Labelling: a change of labels counts at once, in the bucket and in every list and search."""

from collections.abc import Iterable, Mapping, Sequence

from flows.running.platform import Space
from storage.records import ArtifactRecord


def update_labels(space: Space, sha256: str, add: Iterable[str] = (), remove: Iterable[str] = ()) -> tuple[str, ...]:
    """Put labels on an artifact and take others off; the labels afterwards. Raises ArtifactNotFound, InvalidName."""
    labels = space.labels.change(sha256, add, remove)
    sync_labels(space, [space.records.get(sha256)], {})
    return labels


def sync_labels(space: Space, records: Sequence[ArtifactRecord], known: Mapping[str, tuple[str, ...]]) -> None:
    """Tell the database the labels of artifacts, unless it has the `known` ones and they are right.

    Whoever wrote last looks at the bucket once more. So of two changes at the same moment the later one stands.
    """
    told = dict(known)
    while True:
        now = space.labels.of_all(records)
        stale = {sha256: labels for sha256, labels in now.items() if told.get(sha256) != labels}
        if not stale:
            return
        for sha256, labels in stale.items():
            space.index.set_labels(space.project, sha256, labels)
            space.library.set_labels(space.project, sha256, labels)
        told |= stale
