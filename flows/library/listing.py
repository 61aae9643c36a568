"""Rebuild the listing of a project (the rows of the library) from its records."""

from collections.abc import Collection, Sequence

from flows.library.labelling import sync_labels
from flows.running.platform import Space
from storage.records import ArtifactRecord


def rebuild_listing(space: Space, records: Sequence[ArtifactRecord], unreadable: Collection[str]) -> dict[str, str]:
    """Write a row for each of all the project's records; delete rows and index entries that have no record.

    Those of the artifacts whose records or labels cannot be read stay: `triptych verify --repair` restores both from
    them. Return why labels cannot be read, by artifact id.
    """
    known = {record.artifact.sha256 for record in records} | set(unreadable)
    gone = [row.artifact for row in space.library.all(space.project) if row.artifact not in known]
    space.library.remove(space.project, gone)
    space.index.remove(space.project, sorted(space.index.artifacts(space.project) - known))
    labels, no_labels = space.labels.of_many(records)
    listed = [record for record in records if record.artifact.sha256 in labels]
    space.library.put(listed, labels)
    sync_labels(space, listed, labels)
    return no_labels
