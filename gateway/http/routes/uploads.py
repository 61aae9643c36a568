"""/api/uploads: resumable uploads of large files in parts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from gateway.http import multipart_uploads
from gateway.http.access import Maker
from gateway.http.incoming_files import start_ingest
from gateway.http.jobs.job import Job
from gateway.http.multipart_uploads import FileName, Upload
from storage.labels import Label

router = APIRouter(prefix="/api/uploads", tags=["Artifacts"])


class Announcement(BaseModel):
    """The file to upload; `size` in bytes."""

    model_config = ConfigDict(extra="forbid")

    name: FileName
    size: int = Field(ge=1, le=10**13)


class Completion(BaseModel):
    """The labels of the complete file."""

    model_config = ConfigDict(extra="forbid")

    labels: Annotated[list[Label], Field(max_length=20)] = []


@router.post("", status_code=201)
def begin_upload(caller: Maker, file: Announcement) -> Upload:
    """Begin an upload; the answer has a URL for each part."""
    return multipart_uploads.begin(caller.space, file.name, file.size)


@router.get("/{upload}")
def show_upload(caller: Maker, upload: UUID) -> Upload:
    """The parts that are stored, and new URLs for the others."""
    return multipart_uploads.read(caller.space, upload)


@router.post("/{upload}/complete", status_code=202)
async def complete_upload(caller: Maker, upload: UUID, completion: Completion) -> Job:
    """Join the parts and ingest the file. The same request again, within two days, answers the same job."""
    key = await run_in_threadpool(multipart_uploads.compose, caller.space, upload)
    job = await start_ingest(caller, [key], completion.labels, idempotency_key=str(upload))
    await run_in_threadpool(multipart_uploads.remove_parts, caller.space, upload)
    return job


@router.delete("/{upload}", status_code=204)
def forget_upload(caller: Maker, upload: UUID) -> None:
    """Abort an upload and delete its parts."""
    multipart_uploads.remove(caller.space, upload)
