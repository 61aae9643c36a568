"""Rebuild the search index of a project from the bucket alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from pydantic import BaseModel

from flows.index.space_filling import pending_kinds, serve_if_complete, tidy_index
from flows.library.indexing import IndexFailures, index_artifacts, is_findable, read_and_index
from flows.library.listing import rebuild_listing
from flows.running.context import RunContext
from modalities.contract import no_progress
from storage.records import ArtifactRecord

_CHUNK = 500
"""Artifacts read before their parts are written to the index; it bounds the memory in use."""


class RebuildReport(BaseModel):
    """How many artifacts are indexed again, and why others are not, by artifact id."""

    artifacts: int
    failures: dict[str, str]

    def __str__(self) -> str:
        return f"{self.artifacts} artifacts are findable."


async def read_and_rebuild(context: RunContext) -> RebuildReport:
    """Rebuild; read the contents of files and the text in pictures that were ingested before Triptych did that."""
    return await _rebuild(context, read_and_index)


async def rebuild_index(context: RunContext) -> RebuildReport:
    """Rebuild the listing and the index of a project. Stored embeddings are read, not computed again.

    Artifacts whose records or labels cannot be read are among the failures. The vector spaces of before go on
    answering for the kinds of parts that wait for a model.
    """
    return await _rebuild(context, index_artifacts)


async def _rebuild(
    context: RunContext, index: Callable[[RunContext, Sequence[ArtifactRecord]], Awaitable[IndexFailures]]
) -> RebuildReport:
    records, unreadable = await asyncio.to_thread(context.space.records.read_all)
    unreadable |= await asyncio.to_thread(rebuild_listing, context.space, records, unreadable)
    whole = [record for record in records if record.artifact.sha256 not in unreadable]
    findable = sorted(filter(is_findable, whole), key=lambda record: (record.created, record.artifact.sha256))
    silent, failures = replace(context, progress=no_progress), IndexFailures()
    for start in range(0, len(findable), _CHUNK):
        failures.add_all(await index(silent, findable[start : start + _CHUNK]))
        context.progress(min((start + _CHUNK) / len(findable), 1.0))
    for kind, name in (await asyncio.to_thread(pending_kinds, context.space)).items():
        await asyncio.to_thread(serve_if_complete, context.space, kind, name, failures.waiting)
    await asyncio.to_thread(tidy_index, context.space)
    indexed = len(findable) - len(failures.keys() - failures.without_text)
    return RebuildReport(artifacts=indexed, failures=unreadable | failures)
