"""Rebuild: the search index again, from the bucket alone."""

import asyncio

from pydantic import BaseModel

from flows.findable import is_findable, make_findable
from flows.job import Job
from flows.labelling import settle_labels
from flows.platform import Space
from storage.records import ArtifactRecord


class RebuildReport(BaseModel):
    """How many artifacts are findable again, and why others are not."""

    artifacts: int
    failures: dict[str, str]

    def __str__(self) -> str:
        return f"{self.artifacts} artifacts are findable."


async def rebuild_index(job: Job) -> RebuildReport:
    """List and index every record of the project again; every embedding is read, none is computed that was kept."""
    records = await asyncio.to_thread(lambda: list(job.space.records.all()))
    await asyncio.to_thread(_list, job.space, records)
    wanted = [record for record in records if is_findable(record)]
    failures = await make_findable(job, sorted(wanted, key=lambda record: (record.created, record.artifact.sha256)))
    return RebuildReport(artifacts=len(wanted) - len(failures), failures=failures)


def _list(space: Space, records: list[ArtifactRecord]) -> None:
    """The rows of the library as the records say; what no record stands for is forgotten everywhere."""
    known = {record.artifact.sha256 for record in records}
    gone = [row.artifact for row in space.library.all(space.project) if row.artifact not in known]
    space.library.remove(space.project, gone)
    space.index.remove(space.project, sorted(space.index.artifacts(space.project) - known))
    labels = space.labels.of_all(records)
    space.library.put(records, labels)
    settle_labels(space, records, labels)
