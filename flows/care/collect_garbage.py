"""Garbage collection (mark and sweep) of a project. The flow is a dry run; `triptych gc --delete` removes."""

import asyncio
from collections.abc import Set
from datetime import timedelta
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.care.in_use import artifacts_in_use
from flows.library.markdown import escaped
from flows.running.context import RunContext
from flows.running.form import Form, project_field
from flows.running.prefect_context import run_as_flow
from storage.care.garbage import GarbageReport, mark_and_sweep


class Collection(Form):
    """How long files that nothing names are kept."""

    grace_hours: float = Field(
        default=24,
        title="Grace hours",
        description="Files that nothing names stay at least this long, twice: until they are marked, and after that.",
        ge=1,
    )
    project: str = project_field()


@flow(name="gc")
async def gc(collection: Collection | None = None) -> State[Any]:
    """Report what could be removed, and remove nothing."""
    chosen = collection or Collection()

    async def work(context: RunContext) -> GarbageReport:
        return await collect_garbage(context, chosen, delete=False, in_use=await artifacts_in_use())

    return await run_as_flow(chosen.project, work, queue="batch")


async def collect_garbage(
    context: RunContext, collection: Collection, *, delete: bool, in_use: Set[str]
) -> GarbageReport:
    """Do one pass over the project. Raises UnreadableReferences if a record, recipe or reference cannot be read."""
    space = context.space
    report = await asyncio.to_thread(
        mark_and_sweep,
        space.platform.bucket,
        space.project,
        grace=timedelta(hours=collection.grace_hours),
        delete=delete,
        in_use=in_use,
        progress=context.progress,
    )
    await context.show("garbage", escaped(str(report)))
    return report
