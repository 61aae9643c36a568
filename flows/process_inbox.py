"""The inbox: whatever people drop into it is taken in, on a schedule or at the press of a button."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel, Field

from flows.form import Form, project_field
from flows.ingest import IngestItem, IngestReport, ingest_files
from flows.job import Job
from flows.prefect_job import run_as_flow


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
    return await run_as_flow(chosen.project, lambda job: empty_inbox(job, chosen), queue="batch")


async def empty_inbox(job: Job, inbox: Inbox) -> IngestReport:
    """An object leaves the inbox last: after it is stored, recorded and findable, or in quarantine."""
    bucket = job.space.platform.bucket
    listed = await asyncio.to_thread(lambda: [found.key for found in bucket.objects(inbox.prefix)])
    keys = [key for key in listed if not key.endswith("/")][: inbox.limit]
    report = await ingest_files(job, keys)
    for item in report.items:
        if item.status == "rejected":
            await asyncio.to_thread(_quarantine, job, item)
    await asyncio.to_thread(bucket.remove_all, keys)
    return report


class Rejection(BaseModel):
    """Why a file is in quarantine."""

    name: str
    reason: str
    project: str
    rejected: datetime


def _quarantine(job: Job, item: IngestItem) -> None:
    """Copy the object to quarantine, its reason beside it."""
    bucket = job.space.platform.bucket
    place = f"quarantine/{item.key.partition('/')[2]}"
    if bucket.stat(item.key) is None:
        return
    why = Rejection(name=item.path, reason=item.reason or "", project=job.space.project, rejected=datetime.now(UTC))
    bucket.copy(item.key, place)
    bucket.put(
        f"{place}.json", json.dumps(why.model_dump(mode="json"), indent=1).encode(), media_type="application/json"
    )
