"""Rebuild: the search index again, from the bucket alone."""

import asyncio

from pydantic import BaseModel

from flows.findable import make_findable
from flows.job import Job


class RebuildReport(BaseModel):
    """How many artifacts are findable again, and why others are not."""

    artifacts: int
    failures: dict[str, str]

    def __str__(self) -> str:
        return f"{self.artifacts} artifacts are findable."


async def rebuild_index(job: Job) -> RebuildReport:
    """Index every record of the project again; every embedding is read, none is computed that was kept."""
    records = await asyncio.to_thread(lambda: list(job.space.records.all()))
    wanted = [record for record in records if record.kind != "data" and record.properties.get("findable", True)]
    failures = await make_findable(job, sorted(wanted, key=lambda record: (record.created, record.artifact.sha256)))
    return RebuildReport(artifacts=len(wanted) - len(failures), failures=failures)
