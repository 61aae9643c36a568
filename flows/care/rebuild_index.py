"""Rebuild the search index of a project from the bucket alone."""

import asyncio
from dataclasses import replace

from pydantic import BaseModel

from flows.index.space_filling import pending_kinds, tidy_index
from flows.library.indexing import index_artifacts, is_findable
from flows.library.listing import rebuild_listing
from flows.library.reading.text_in_pictures import read_texts
from flows.running.context import RunContext
from modalities.contract import no_progress

_CHUNK = 500
"""Artifacts read before their parts are written to the index; it bounds the memory in use."""


class RebuildReport(BaseModel):
    """How many artifacts are indexed again, and why others are not, by artifact id."""

    artifacts: int
    failures: dict[str, str]

    def __str__(self) -> str:
        return f"{self.artifacts} artifacts are findable."


async def read_and_rebuild(context: RunContext) -> RebuildReport:
    """Read the contents of files and the text in pictures that were taken in before Triptych did, then rebuild."""
    records = await asyncio.to_thread(lambda: [record for record in context.space.records.all() if is_findable(record)])
    silent, unread = replace(context, progress=no_progress), dict[str, str]()
    for start in range(0, len(records), _CHUNK):
        unread |= await read_texts(silent, records[start : start + _CHUNK])
        context.progress(min((start + _CHUNK) / len(records), 1.0) / 2)

    def second_half(done: float) -> None:
        context.progress((1 + done) / 2)

    report = await rebuild_index(replace(context, progress=second_half))
    return report.model_copy(update={"failures": unread | report.failures})


async def rebuild_index(context: RunContext) -> RebuildReport:
    """Rebuild the listing and the index of a project. Stored embeddings are read, not computed again."""
    records = await asyncio.to_thread(lambda: list(context.space.records.all()))
    await asyncio.to_thread(rebuild_listing, context.space, records)
    findable = sorted(filter(is_findable, records), key=lambda record: (record.created, record.artifact.sha256))
    silent, failures = replace(context, progress=no_progress), dict[str, str]()
    for start in range(0, len(findable), _CHUNK):
        failures |= await index_artifacts(silent, findable[start : start + _CHUNK])
        context.progress(min((start + _CHUNK) / len(findable), 1.0))
    for kind, name in (await asyncio.to_thread(pending_kinds, context.space)).items():
        await asyncio.to_thread(context.space.index.serve, context.space.project, kind, name)
    await asyncio.to_thread(tidy_index, context.space)
    return RebuildReport(artifacts=len(findable) - len(failures), failures=failures)
