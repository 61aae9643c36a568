"""Rebuild: the search index again, from the bucket alone."""

import asyncio
from dataclasses import replace

from pydantic import BaseModel

from flows.library.indexing import index_artifacts, is_findable
from flows.library.listing import rebuild_listing
from flows.running.context import RunContext
from modalities.contract import no_progress

_CHUNK = 500
"""Artifacts that are read before their parts are written: it bounds memory."""


class RebuildReport(BaseModel):
    """How many artifacts are findable again, and why others are not."""

    artifacts: int
    failures: dict[str, str]

    def __str__(self) -> str:
        return f"{self.artifacts} artifacts are findable."


async def rebuild_index(context: RunContext) -> RebuildReport:
    """List and index every record of the project again; every embedding is read, none is computed that was kept."""
    records = await asyncio.to_thread(lambda: list(context.space.records.all()))
    await asyncio.to_thread(rebuild_listing, context.space, records)
    wanted = sorted(filter(is_findable, records), key=lambda record: (record.created, record.artifact.sha256))
    quiet, failures = replace(context, progress=no_progress), dict[str, str]()
    for start in range(0, len(wanted), _CHUNK):
        failures |= await index_artifacts(quiet, wanted[start : start + _CHUNK])
        context.progress(min((start + _CHUNK) / len(wanted), 1.0))
    await asyncio.to_thread(context.space.index.optimise)
    return RebuildReport(artifacts=len(wanted) - len(failures), failures=failures)
