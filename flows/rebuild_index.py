"""Rebuild: the search index again, from the bucket alone."""

import asyncio

from pydantic import BaseModel

from flows.findable import is_findable, make_findable
from flows.job import Job
from flows.listing import relist


class RebuildReport(BaseModel):
    """How many artifacts are findable again, and why others are not."""

    artifacts: int
    failures: dict[str, str]

    def __str__(self) -> str:
        return f"{self.artifacts} artifacts are findable."


async def rebuild_index(job: Job) -> RebuildReport:
    """List and index every record of the project again; every embedding is read, none is computed that was kept."""
    records = await asyncio.to_thread(lambda: list(job.space.records.all()))
    await asyncio.to_thread(relist, job.space, records)
    wanted = [record for record in records if is_findable(record)]
    failures = await make_findable(job, sorted(wanted, key=lambda record: (record.created, record.artifact.sha256)))
    return RebuildReport(artifacts=len(wanted) - len(failures), failures=failures)
