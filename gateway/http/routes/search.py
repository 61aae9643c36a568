"""/api/search: semantic search over pictures, speech and texts, with models that stay loaded in the gateway."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, UploadFile
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from flows.running.content_forms import Query
from flows.running.context import local_context
from flows.search import SearchReport, find
from gateway.http.access import Viewer
from gateway.http.body_limits import starts_no_job
from gateway.http.uploads.incoming_files import store_query_file
from storage.labels import Label

router = APIRouter(prefix="/api/search", tags=["Search"])


class PictureQuery(BaseModel):
    """A picture that the results should resemble, optionally combined with words."""

    model_config = ConfigDict(extra="forbid")

    file: UploadFile
    words: str = Field(default="", max_length=2000)
    kinds: list[Literal["image", "speech", "text"]] = Field(default=["image", "speech", "text"], min_length=1)
    labels: list[Label] = Field(default=[], max_length=20)
    limit: int = Field(default=10, ge=1, le=200)
    offset: int = Field(default=0, ge=0, le=400)


@router.post("")
async def search(caller: Viewer, query: Query) -> SearchReport:
    """Search by words, by similarity to a stored artifact, or by both."""
    scoped = caller.in_project(query.project if "project" in query.model_fields_set else None)
    return await find(local_context(scoped.space), query, scoped.services.query_embeddings.encode)


@router.post("/picture")
@starts_no_job
async def search_by_picture(caller: Viewer, asked: Annotated[PictureQuery, Form()]) -> SearchReport:
    """Search by similarity to an uploaded picture or text, which is not added to the library; found if it is there."""
    like = await run_in_threadpool(store_query_file, caller.space, asked.file.file, asked.file.filename or "picture")
    query = Query(like=like.sha256, itself=True, project=caller.project, **asked.model_dump(exclude={"file"}))
    return await find(local_context(caller.space), query, caller.services.query_embeddings.encode)
