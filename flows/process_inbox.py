"""Ingest the files that people drop into the inbox, on a schedule or on demand."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, count
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel, Field

from flows.ingest import CHUNK_FILES, IngestedObject, IngestReport, ingest_chunk, show_report
from flows.running.context import RunContext
from flows.running.form import Form, project_field
from flows.running.prefect_context import run_as_flow
from storage.bucket import Bucket
from storage.claims import ClaimSession
from storage.errors import Conflict
from storage.objects import StoredObject

_RUNS_AT_ONCE = 2
"""Concurrent runs of one inbox. Further runs end at once, so that a full inbox does not fill the work pool."""


class Inbox(Form):
    """The folder of the inbox, and how many files one run ingests."""

    prefix: str = Field(
        default="inbox/",
        title="Folder",
        description="The folder in the bucket that people drop files into.",
        pattern=r"^inbox[a-z0-9/-]*/$",
    )
    limit: int = Field(default=500, title="Files at most", description="How many files one run takes.", ge=1, le=10_000)
    project: str = project_field()


@flow(name="process-inbox")
async def process_inbox(inbox: Inbox | None = None) -> State[Any]:
    """Ingest the files of the inbox; unreadable files go to quarantine beside the reason."""
    chosen = inbox or Inbox()
    return await run_as_flow(chosen.project, lambda context: drain_inbox(context, chosen), queue="batch")


async def drain_inbox(context: RunContext, inbox: Inbox) -> IngestReport:
    """Ingest the objects of the inbox. Each is deleted last: after it is stored, recorded and indexed, or quarantined.

    Concurrent runs share the work: each takes the next chunk of objects that no other run has claimed. The claims of a
    run that dies are released at once, and its finished work is found done.
    """
    claims = context.space.platform.claims
    ingested: list[IngestedObject] = []
    with claims.session() as slots, claims.session() as objects:
        if await asyncio.to_thread(_acquire_slot, slots, inbox):
            listed = await asyncio.to_thread(_list_objects, context.space.platform.bucket, inbox.prefix)
            for chunk in _chunks(listed):
                claimed = (await asyncio.to_thread(_claim, objects, chunk))[: inbox.limit - len(ingested)]
                ingested += await _process_chunk(context, claimed) if claimed else []
                await asyncio.to_thread(objects.release)
                if len(ingested) == inbox.limit:
                    break
    report = IngestReport(items=[one.item for one in ingested])
    await show_report(context, report)
    return report


class Rejection(BaseModel):
    """Why a file is in quarantine. `etag` identifies the version of the object that was rejected."""

    name: str
    reason: str
    project: str
    rejected: datetime
    etag: str = ""


async def _process_chunk(context: RunContext, found: Sequence[StoredObject]) -> list[IngestedObject]:
    """Ingest objects and delete them from the inbox. Objects that are gone were processed by another run: left out."""
    ingested = [one for one in await ingest_chunk(context, [one.key for one in found]) if one.etag]
    bucket = context.space.platform.bucket
    for one in ingested:
        if one.item.status != "rejected" or await asyncio.to_thread(_quarantine, context, one):
            await asyncio.to_thread(partial(bucket.remove_if, one.item.key, one.etag))
    return ingested


def _quarantine(context: RunContext, one: IngestedObject) -> bool:
    """Store the reason, then the object beside it. Return False if the object was replaced meanwhile."""
    bucket = context.space.platform.bucket
    rejection = Rejection(
        name=one.item.path,
        reason=one.item.reason or "",
        project=context.space.project,
        rejected=datetime.now(UTC),
        etag=one.etag,
    )
    document = json.dumps(rejection.model_dump(mode="json"), indent=1).encode()
    key = _reserve_quarantine_key(bucket, one, document)
    try:
        bucket.copy(one.item.key, key, etag=one.etag)
    except Conflict:  # the reason stays; the next run processes the new object
        return False
    return True


def _reserve_quarantine_key(bucket: Bucket, one: IngestedObject, document: bytes) -> str:
    """Return a free key for the object and store its reason there. Objects of the same name are numbered."""
    path = f"quarantine/{one.item.key.partition('/')[2]}"
    # Only reasons end with .json: a rejected .json file gets a number, or it could overwrite another file's reason.
    first = [] if path.endswith(".json") else [path]
    for key in chain(first, (f"{path}~{number}" for number in count(2))):
        reason_key = f"{key}.json"
        if bucket.create(reason_key, document, media_type="application/json"):
            return key
        if Rejection.model_validate_json(bucket.get(reason_key)).etag == one.etag:
            return key
    raise AssertionError("itertools.count does not end")


def _acquire_slot(slots: ClaimSession, inbox: Inbox) -> bool:
    """Claim one of the slots for concurrent runs of this inbox; return whether one was free."""
    return any(slots.take([f"inbox {inbox.prefix} run {number}"])[0] for number in range(_RUNS_AT_ONCE))


def _list_objects(bucket: Bucket, prefix: str) -> list[StoredObject]:
    return [found for found in bucket.objects(prefix) if not found.key.endswith("/")]


def _claim(claimant: ClaimSession, chunk: Sequence[StoredObject]) -> list[StoredObject]:
    free = claimant.take([found.key for found in chunk])
    return [found for found, is_free in zip(chunk, free, strict=True) if is_free]


def _chunks(listed: Sequence[StoredObject]) -> Iterator[Sequence[StoredObject]]:
    for start in range(0, len(listed), CHUNK_FILES):
        yield listed[start : start + CHUNK_FILES]
