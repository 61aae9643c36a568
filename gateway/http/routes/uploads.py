"""/api/uploads: resumable uploads of large files in parts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.access import Maker
from gateway.http.body_limits import body_limit
from gateway.http.jobs.job import Job
from gateway.http.uploads import multipart_uploads
from gateway.http.uploads.incoming_files import start_ingest
from gateway.http.uploads.multipart_uploads import FileName, Upload
from storage.labels import Label

router = APIRouter(prefix="/api/uploads", tags=["Artifacts"])
_MAX_PART_BYTES = 256_000_000
_PART = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


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
def begin_upload(request: Request, caller: Maker, file: Announcement) -> Upload:
    """Begin an upload; the answer has a URL for each part."""
    return multipart_uploads.begin(caller.space, file.name, file.size, _address(request))


@router.get("/{upload}")
def show_upload(request: Request, caller: Maker, upload: UUID) -> Upload:
    """The parts that are stored, and new URLs for the others."""
    return multipart_uploads.read(caller.space, upload, _address(request))


@router.put("/{upload}/parts/{number}", status_code=204, openapi_extra=_PART)
@body_limit(_MAX_PART_BYTES)
async def put_part(
    request: Request, caller: Maker, upload: UUID, number: Annotated[int, PathParameter(ge=1, le=100_000)]
) -> None:
    """Store a part. It may be sent again."""
    data = await request.body()
    await run_in_threadpool(multipart_uploads.put_part, caller.space, upload, number, data)


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


def _address(request: Request) -> str:
    """Return the address of uploads under which the client reached the gateway."""
    return f"{str(request.base_url).rstrip('/')}{router.prefix}"
