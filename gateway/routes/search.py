"""/api/search: pictures, spoken moments and texts by what they mean; answered at once by models that stay loaded."""

from fastapi import APIRouter

from flows.job import local_job
from flows.search import Query, SearchReport, find
from gateway.access import Viewer

router = APIRouter(prefix="/api/search", tags=["Search"])


@router.post("")
async def search(caller: Viewer, query: Query) -> SearchReport:
    """Find by words, by a stored artifact, or by both."""
    there = caller.within(query.project if "project" in query.model_fields_set else None)
    return await find(local_job(there.space), query)
