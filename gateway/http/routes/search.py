"""/api/search: pictures, spoken moments and texts by what they mean; answered at once by models that stay loaded."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, UploadFile
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from flows.running.content_forms import Query
from flows.running.context import local_context
from flows.search import SearchReport, find
from gateway.http.access import Viewer
from gateway.http.incoming_files import brought
from storage.labels import Label

router = APIRouter(prefix="/api/search", tags=["Search"])


class PictureQuery(BaseModel):
    """A picture that the results should resemble, and words if it should be both."""

    model_config = ConfigDict(extra="forbid")

    file: UploadFile
    words: str = Field(default="", max_length=2000)
    kinds: list[Literal["image", "speech", "text"]] = Field(default=["image", "speech", "text"], min_length=1)
    labels: list[Label] = Field(default=[], max_length=20)
    limit: int = Field(default=10, ge=1, le=200)
    offset: int = Field(default=0, ge=0, le=400)


@router.post("")
async def search(caller: Viewer, query: Query) -> SearchReport:
    """Find by words, by a stored artifact, or by both."""
    there = caller.within(query.project if "project" in query.model_fields_set else None)
    return await find(local_context(there.space), query, there.services.questions.vectors)


@router.post("/picture")
async def search_by_picture(caller: Viewer, asked: Annotated[PictureQuery, Form()]) -> SearchReport:
    """Find by a picture or text that is sent along, and that the project does not keep."""
    like = await run_in_threadpool(brought, caller.space, asked.file.file, asked.file.filename or "picture")
    query = Query(like=like.sha256, project=caller.project, **asked.model_dump(exclude={"file"}))
    return await find(local_context(caller.space), query, caller.services.questions.vectors)
