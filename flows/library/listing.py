"""Listing: the rows of the library again, as the records say."""

from collections.abc import Sequence

from flows.library.labelling import sync_labels
from flows.running.platform import Space
from storage.records import ArtifactRecord


def rebuild_listing(space: Space, records: Sequence[ArtifactRecord]) -> None:
    """List all records of a project; what no record stands for is forgotten, in the index too."""
    known = {record.artifact.sha256 for record in records}
    gone = [row.artifact for row in space.library.all(space.project) if row.artifact not in known]
    space.library.remove(space.project, gone)
    space.index.remove(space.project, sorted(space.index.artifacts(space.project) - known))
    labels = space.labels.of_all(records)
    space.library.put(records, labels)
    sync_labels(space, records, labels)
