"""Renew the search index in the background: fill the vector spaces of new models, build indexes, drop unused spaces."""

import asyncio
from dataclasses import replace
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.index.space_filling import fill_spaces, pending_kinds, tidy_index, unusable_models
from flows.library.markdown import escaped
from flows.running.context import RunContext
from flows.running.prefect_context import run_as_flow
from storage.records import list_projects


class RenewalReport(BaseModel):
    """The projects that new models answer now, those that are being filled, and what could not be embedded, and why.

    `unusable` are the models without weights, and why: the models of before answer for them.
    """

    renewed: list[str] = []
    pending: list[str] = []
    failures: dict[str, str] = {}
    unusable: dict[str, str] = {}
    dropped_spaces: list[str] = []

    def __str__(self) -> str:
        if not self.renewed and not self.pending:
            return " ".join(self.unusable.values()) or "The index is that of the models of today."
        renewed = (
            f"{len(self.renewed)} projects are answered by the models of today, {len(self.pending)} are being filled."
        )
        return " ".join([renewed, *self.unusable.values()])


@flow(name="renew-index")
async def renew_index() -> State[Any]:
    """Embed what the models of today have not embedded yet; searches are answered by those of before until then."""
    return await run_as_flow("default", renew, queue="batch")


async def renew(context: RunContext) -> RenewalReport:
    """Renew the index of every project."""
    platform = context.space.platform
    projects = await asyncio.to_thread(list_projects, platform.bucket)
    report = RenewalReport(unusable=await asyncio.to_thread(unusable_models, context.space))
    for number, project in enumerate(projects):
        space = platform.space(project)
        if not await asyncio.to_thread(pending_kinds, space):
            continue
        report.failures.update(await fill_spaces(replace(context, space=space)))
        left = await asyncio.to_thread(pending_kinds, space)
        (report.pending if left else report.renewed).append(project)
        context.progress((number + 1) / len(projects))
    report.dropped_spaces.extend(await asyncio.to_thread(tidy_index, context.space))
    if report.renewed or report.pending or report.unusable:
        await context.show("index", escaped(str(report)))
    return report
