"""Ingest the files that people drop into the inbox, on a schedule or on demand."""

import asyncio
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.ingest import CHUNK_FILES, IngestedObject, IngestReport, ingest_chunk, show_report
from flows.library.inbox import DEFAULT, ROOT, checked_folder, list_files, quarantine_path, waiting_projects
from flows.library.quarantine import Rejection, quarantine_file
from flows.running.context import RunContext
from flows.running.form import ADMINS_ONLY, Form, project_field
from flows.running.prefect_context import run_as_flow
from flows.running.prefect_runs import cancel_overdue_runs
from storage.claims import ClaimSession
from storage.objects import StoredObject

_RUNS_AT_ONCE = 2
"""Concurrent runs of one inbox. Further runs end at once, so that a full inbox does not fill the work pool."""


class Inbox(Form):
    """The project whose inbox to process, and how many files one run ingests."""

    prefix: str = Field(
        default="",
        title="Folder",
        description="A folder of the project's inbox in the bucket; empty for all of inbox/<project>/.",
        pattern=r"^(inbox/.*)?$",
        max_length=900,
        json_schema_extra={ADMINS_ONLY: True},
    )
    limit: int = Field(default=500, title="Files at most", description="How many files one run takes.", ge=1, le=10_000)
    project: str = project_field()


@flow(name="process-inbox")
async def process_inbox(inbox: Inbox | None = None) -> State[Any]:
    """Ingest the files of a project's inbox, or without a form those of all: that is what the schedule starts.

    Unreadable files go to quarantine beside the reason.
    """
    await cancel_overdue_runs()
    if inbox is None:
        return await run_as_flow(DEFAULT, drain_all, queue="batch")
    return await run_as_flow(inbox.project, lambda context: drain_inbox(context, inbox), queue="batch")


async def drain_all(context: RunContext) -> IngestReport:
    """Ingest the inbox of every project, each into its own.

    The report has the files of the project `default` alone; each project's are shown in a page of the run.
    """
    platform = context.space.platform
    found = await asyncio.to_thread(lambda: waiting_projects(platform.bucket, list(platform.bucket.objects(ROOT))))
    # Projects without files are visited, too: entries of waiting files that were deleted by hand are removed there.
    waiting = await asyncio.to_thread(platform.waiting.projects)
    report = await drain_inbox(context, Inbox(prefix=ROOT, project=DEFAULT))
    for project in dict.fromkeys([*found, *waiting]):
        if project != DEFAULT:
            other = replace(context, space=platform.space(project))
            await drain_inbox(other, Inbox(project=project))
    return report


async def drain_inbox(context: RunContext, inbox: Inbox) -> IngestReport:
    """Ingest the objects of the inbox. Each is deleted last: after it is stored, recorded and indexed, or quarantined.

    Concurrent runs share the work: each takes the next chunk of objects that no other run has claimed. The claims of a
    run that dies are released at once, and its finished work is found done. Of the files that wait, one for each reason
    is tried in every run: once it succeeds, the others follow, however long their pauses are. Raises WrongInbox.
    """
    folder = checked_folder(inbox.prefix, inbox.project)
    platform = context.space.platform
    ingested: list[IngestedObject] = []
    with platform.claims.session() as slots, platform.claims.session() as objects:
        if await asyncio.to_thread(_acquire_slot, slots, folder):
            probes = await asyncio.to_thread(platform.waiting.probes, inbox.project, folder)
            ingested = await _drain_due(context, folder, objects, inbox.limit, probes)
            if gone := _ended_reasons(probes, ingested):
                await asyncio.to_thread(platform.waiting.make_due, inbox.project, gone)
                ingested += await _drain_due(context, folder, objects, inbox.limit - len(ingested), ())
    report = IngestReport(items=[one.item for one in ingested])
    await show_report(context, report)
    return report


async def _drain_due(
    context: RunContext, folder: str, objects: ClaimSession, limit: int, probes: Container[str]
) -> list[IngestedObject]:
    """Ingest the objects that are due, and the probes, in chunks that no other run has claimed."""
    ingested: list[IngestedObject] = []
    for chunk in _chunks(await asyncio.to_thread(_list_due, context, folder, probes)):
        claimed = (await asyncio.to_thread(_claim, objects, chunk))[: limit - len(ingested)]
        ingested += await _process_chunk(context, claimed) if claimed else []
        await asyncio.to_thread(objects.release)
        if len(ingested) == limit:
            break
    return ingested


def _ended_reasons(probes: Mapping[str, str], ingested: Sequence[IngestedObject]) -> set[str]:
    """Return the reasons to wait that have ended: those whose probe does not wait any more."""
    return {probes[one.item.key] for one in ingested if one.item.key in probes and one.item.status != "waiting"}


async def _process_chunk(context: RunContext, found: Sequence[StoredObject]) -> list[IngestedObject]:
    """Ingest objects and delete them from the inbox, except those that wait for the platform.

    Objects that are gone were processed by another run: left out.
    """
    ingested = [one for one in await ingest_chunk(context, [one.key for one in found]) if one.etag]
    done: list[str] = []
    for one in ingested:
        if one.item.status == "waiting":
            await asyncio.to_thread(_wait, context, one)
        elif one.item.status != "rejected" or await asyncio.to_thread(_quarantine, context, one):
            await asyncio.to_thread(partial(context.space.platform.bucket.remove_if, one.item.key, one.etag))
            done.append(one.item.key)
    await asyncio.to_thread(context.space.platform.waiting.remove, done)
    return ingested


def _wait(context: RunContext, one: IngestedObject) -> None:
    name, reason = one.item.path, one.item.reason or ""
    context.space.platform.waiting.add(context.space.project, one.item.key, one.etag, name=name, reason=reason)


def _quarantine(context: RunContext, one: IngestedObject) -> bool:
    project = context.space.project
    rejection = Rejection(
        name=one.item.path, reason=one.item.reason or "", project=project, rejected=datetime.now(UTC), etag=one.etag
    )
    path = quarantine_path(one.item.key, project)
    return quarantine_file(context.space.platform.bucket, one.item.key, path, rejection)


def _acquire_slot(slots: ClaimSession, folder: str) -> bool:
    """Claim one of the slots for concurrent runs of this inbox; return whether one was free."""
    return any(slots.take([f"inbox {folder} run {number}"])[0] for number in range(_RUNS_AT_ONCE))


def _list_due(context: RunContext, folder: str, probes: Container[str]) -> list[StoredObject]:
    """List the files to process now: the probes, and those whose next attempt is due. Forget those that are gone."""
    platform = context.space.platform
    found = list_files(platform.bucket, folder)
    platform.waiting.remove_others(context.space.project, folder, [each.key for each in found])
    later = platform.waiting.not_due({each.key: each.etag for each in found})
    return [each for each in found if each.key in probes or each.key not in later]


def _claim(claimant: ClaimSession, chunk: Sequence[StoredObject]) -> list[StoredObject]:
    free = claimant.take([found.key for found in chunk])
    return [found for found, is_free in zip(chunk, free, strict=True) if is_free]


def _chunks(listed: Sequence[StoredObject]) -> Iterator[Sequence[StoredObject]]:
    for start in range(0, len(listed), CHUNK_FILES):
        yield listed[start : start + CHUNK_FILES]
