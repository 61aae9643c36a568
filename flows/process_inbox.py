"""The inbox: whatever people drop into it is taken in, on a schedule or at the press of a button."""

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
from storage.bucket import Bucket, StoredObject
from storage.claims import Claimant
from storage.errors import Conflict

_RUNS_AT_ONCE = 2
"""Of one inbox; one more leaves at once, so that a full inbox does not take every slot of the pool."""


class Inbox(Form):
    """Where to look, and how many files to take at once."""

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
    """Take in what lies in the inbox; what cannot be read goes to quarantine beside the reason."""
    chosen = inbox or Inbox()
    return await run_as_flow(chosen.project, lambda context: drain_inbox(context, chosen), queue="batch")


async def drain_inbox(context: RunContext, inbox: Inbox) -> IngestReport:
    """An object leaves the inbox last: after it is stored, recorded and findable, or in quarantine.

    Runs at the same time share the work: each takes the next hundred that no other has claimed. What a dead run had
    claimed is free at once, and what it had done is found done.
    """
    claims = context.space.platform.claims
    taken: list[IngestedObject] = []
    with claims.claimant() as seat, claims.claimant() as mine:
        if await asyncio.to_thread(_has_seat, seat, inbox):
            listed = await asyncio.to_thread(_waiting, context.space.platform.bucket, inbox.prefix)
            for chunk in _chunks(listed):
                ours = (await asyncio.to_thread(_claimed, mine, chunk))[: inbox.limit - len(taken)]
                taken += await _take_chunk(context, ours) if ours else []
                await asyncio.to_thread(mine.release)
                if len(taken) == inbox.limit:
                    break
    report = IngestReport(items=[one.item for one in taken])
    await show_report(context, report)
    return report


class Rejection(BaseModel):
    """Why a file is in quarantine; `etag` is the S3 server's name for the very object that was refused."""

    name: str
    reason: str
    project: str
    rejected: datetime
    etag: str = ""


async def _take_chunk(context: RunContext, found: Sequence[StoredObject]) -> list[IngestedObject]:
    """Take the objects in, and out of the inbox; those that another run has taken meanwhile are its to report."""
    taken = [one for one in await ingest_chunk(context, [one.key for one in found]) if one.etag]
    bucket = context.space.platform.bucket
    for one in taken:
        if one.item.status != "rejected" or await asyncio.to_thread(_quarantine, context, one):
            await asyncio.to_thread(partial(bucket.remove_if, one.item.key, one.etag))
    return taken


def _quarantine(context: RunContext, one: IngestedObject) -> bool:
    """Keep the reason, then the object beside it; False when another object stands in its place by now."""
    bucket = context.space.platform.bucket
    rejection = Rejection(
        name=one.item.path,
        reason=one.item.reason or "",
        project=context.space.project,
        rejected=datetime.now(UTC),
        etag=one.etag,
    )
    document = json.dumps(rejection.model_dump(mode="json"), indent=1).encode()
    place = _place(bucket, one, document)
    try:
        bucket.copy(one.item.key, place, etag=one.etag)
    except Conflict:  # the reason stays; what was put there meanwhile is for the next run
        return False
    return True


def _place(bucket: Bucket, one: IngestedObject, document: bytes) -> str:
    """Where the object goes, its reason there already; an earlier one of the same name keeps its own place."""
    path = f"quarantine/{one.item.key.partition('/')[2]}"
    # Only reasons end with .json: a file that does must not lie where another file's reason may come to lie.
    first = [] if path.endswith(".json") else [path]
    for place in chain(first, (f"{path}~{number}" for number in count(2))):
        why = f"{place}.json"
        if bucket.create(why, document, media_type="application/json"):
            return place
        if Rejection.model_validate_json(bucket.get(why)).etag == one.etag:
            return place
    raise AssertionError("there are places without end")


def _has_seat(seat: Claimant, inbox: Inbox) -> bool:
    """Whether one of the few places for runs of this inbox was free; it is taken then, and no other."""
    return any(seat.take([f"inbox {inbox.prefix} run {number}"])[0] for number in range(_RUNS_AT_ONCE))


def _waiting(bucket: Bucket, prefix: str) -> list[StoredObject]:
    return [found for found in bucket.objects(prefix) if not found.key.endswith("/")]


def _claimed(claimant: Claimant, chunk: Sequence[StoredObject]) -> list[StoredObject]:
    free = claimant.take([found.key for found in chunk])
    return [found for found, is_free in zip(chunk, free, strict=True) if is_free]


def _chunks(listed: Sequence[StoredObject]) -> Iterator[Sequence[StoredObject]]:
    for start in range(0, len(listed), CHUNK_FILES):
        yield listed[start : start + CHUNK_FILES]
