"""/api/artifacts: list, upload, inspect and download artifacts."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from flows.index.why import Why
from flows.library.trash import move_to_trash, take_out_of_trash
from flows.running.local_time import Since, Until
from gateway.http import artifacts
from gateway.http.access import Maker, Viewer
from gateway.http.artifacts import THUMBNAIL_TYPE, Details, Lineage
from gateway.http.downloads.headers import immutable
from gateway.http.jobs.job import Job
from gateway.http.uploads.incoming_files import start_ingest, store_upload
from storage.index.library import Order, Page
from storage.labels import Label
from storage.records import Kind

router = APIRouter(prefix="/api/artifacts", tags=["Artifacts"])

_BYTES: dict[str, object] = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
}
_DOWNLOAD: dict[int | str, dict[str, object]] = {
    200: _BYTES,
    206: _BYTES,
    307: {"description": "Redirect to the S3 server."},
}
Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$", description="An artifact's id, or a prefix of it.")]


@router.get("")
def list_artifacts(
    caller: Viewer,
    kind: Annotated[list[Kind], Query()] = [],  # noqa: B006
    label: Annotated[list[Label], Query(max_length=20)] = [],  # noqa: B006
    name: Annotated[str, Query(max_length=200, description="A substring of the name.")] = "",
    order: Annotated[
        Order, Query(description="By when it came, or by when it was made, such as photographed.")
    ] = "created",
    since: Annotated[
        Since | None, Query(description="Only from this time or day on, by the time of the order.")
    ] = None,
    until: Annotated[Until | None, Query(description="Only before this time, or until the end of this day.")] = None,
    after: Annotated[str | None, Query(max_length=200, description="The `next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page:
    """List artifacts, newest first; those that have all of the labels."""
    return caller.space.library.page(
        caller.project,
        kinds=kind,
        labels=label,
        name=name,
        since=since,
        until=until,
        order=order,
        after=after,
        limit=limit,
    )


@router.post("", status_code=202)
async def upload_artifacts(
    caller: Maker,
    file: Annotated[list[UploadFile], File(min_length=1, max_length=200)],
    label: Annotated[list[Label], Form(max_length=20)] = [],  # noqa: B006
) -> Job:
    """Upload files. The result of the job has the status of each: stored, duplicate, or rejected with a reason."""
    keys = [await asyncio.to_thread(store_upload, caller.space, each.file, each.filename or "upload") for each in file]
    return await start_ingest(caller, keys, label)


@router.get("/{artifact}")
def show_artifact(request: Request, caller: Viewer, artifact: Identity) -> Details:
    """The record of an artifact, and the recipe that made it."""
    return artifacts.read_details(request, caller.space, artifact)


class Deleted(BaseModel):
    """An artifact in the trash, and the time until which the deletion can be undone."""

    artifact: str
    until: datetime


@router.delete("/{artifact}")
def delete_artifact(caller: Maker, artifact: Identity) -> Deleted:
    """Put an artifact into the trash: it leaves lists and searches, and is removed after 30 days.

    422 if it is on hold.
    """
    sha256 = caller.space.records.resolve(artifact).artifact.sha256
    return Deleted(artifact=sha256, until=move_to_trash(caller.space, sha256, caller.person.name))


@router.post("/{artifact}/undelete", status_code=204)
def undelete_artifact(caller: Maker, artifact: Identity) -> None:
    """Take an artifact out of the trash."""
    take_out_of_trash(caller.space, caller.space.records.resolve(artifact).artifact.sha256)


@router.get("/{artifact}/lineage")
def show_lineage(caller: Viewer, artifact: Identity) -> Lineage:
    """The artifacts that it was made from, and those made from it."""
    return artifacts.read_lineage(caller.space, artifact)


@router.get("/{artifact}/why")
async def explain_hit(
    caller: Viewer,
    artifact: Identity,
    words: Annotated[str, Query(min_length=1, max_length=2000, description="The words of the search.")],
    at: Annotated[float | None, Query(ge=0, description="A time in a film, in seconds.")] = None,
    place: Annotated[str, Query(max_length=200, description="A place, such as page=3.")] = "",
) -> Why:
    """Why a search finds a picture: the classes that it seems to show, and which of 7 × 7 regions matter how much."""
    return await artifacts.explain_picture(caller, artifact, words, seconds=at, place=place)


@router.get("/{artifact}/download", response_class=Response, responses=_DOWNLOAD)
def download_artifact(request: Request, caller: Viewer, artifact: Identity) -> Response:
    """Send the bytes, or a range of them; redirect to the S3 server if it has a public address."""
    wanted = request.headers.get("range", "")
    answer = artifacts.download(caller.space, artifact, wanted)
    answer.background = None if wanted else caller.noting(artifact, "downloaded")
    return answer


@router.get("/{artifact}/thumbnail", response_class=Response, responses={200: {"content": {THUMBNAIL_TYPE: {}}}})
def show_thumbnail(
    caller: Viewer,
    artifact: Identity,
    side: Literal["128", "256", "512"] = "256",
    at: Annotated[float | None, Query(ge=0, description="A time in a film, in seconds.")] = None,
    place: Annotated[str, Query(max_length=200, description="A place, such as page=3.")] = "",
) -> Response:
    """A JPEG thumbnail of a picture, of a film at a time, or of the first page of a document."""
    path = artifacts.thumbnail_file(caller.space, artifact, int(side), at, place)
    return FileResponse(path, media_type=THUMBNAIL_TYPE, headers=immutable())
