"""/api/uploads: large files in parts that go straight to the S3 server, and that can be taken up again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from gateway.http import multipart_uploads as resumable
from gateway.http.access import Maker
from gateway.http.incoming_files import take_in
from gateway.http.jobs.job import Job
from gateway.http.multipart_uploads import FileName, Upload
from storage.labels import Label

router = APIRouter(prefix="/api/uploads", tags=["Artifacts"])


class Announcement(BaseModel):
    """The file that is to come; `size` in bytes."""

    model_config = ConfigDict(extra="forbid")

    name: FileName
    size: int = Field(ge=1, le=10**13)


class Completion(BaseModel):
    """What to do with the whole file."""

    model_config = ConfigDict(extra="forbid")

    labels: Annotated[list[Label], Field(max_length=20)] = []


@router.post("", status_code=201)
def begin_upload(caller: Maker, file: Announcement) -> Upload:
    """Links for the parts of a file."""
    return resumable.begin(caller.space, file.name, file.size)


@router.get("/{upload}")
def show_upload(caller: Maker, upload: UUID) -> Upload:
    """Which parts are there, and new links for the others."""
    return resumable.standing(caller.space, upload)


@router.post("/{upload}/complete", status_code=202)
async def complete_upload(caller: Maker, upload: UUID, completion: Completion) -> Job:
    """Put the parts together and take the file in."""
    key = await run_in_threadpool(resumable.put_together, caller.space, upload)
    job = await take_in(caller, [key], completion.labels, key=str(upload))
    await run_in_threadpool(resumable.forget, caller.space, upload)
    return job


@router.delete("/{upload}", status_code=204)
def forget_upload(caller: Maker, upload: UUID) -> None:
    """Give an upload up."""
    resumable.forget(caller.space, upload)
