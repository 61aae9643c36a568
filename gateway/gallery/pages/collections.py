"""The pages that list collections, show one and change it."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.concurrency import run_in_threadpool

from gateway.gallery.page import PageRenderer, redirect_to
from gateway.gallery.parts.cards import cards_of
from gateway.gallery.parts.collections import Collections
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Maker, Viewer

router = APIRouter(prefix="/collections", route_class=GalleryRoute, include_in_schema=False)


@router.get("")
def show_all(request: Request, caller: Viewer) -> Response:
    """List the collections."""
    return PageRenderer(request, caller.person).page(
        "collections.html", current="collections", collections=Collections(caller.space.refs).all()
    )


@router.post("")
def add(caller: Maker, name: Annotated[str, Form()] = "", artifact: Annotated[str, Form()] = "") -> Response:
    """Create a collection of this name if there is none, and add the artifact, if one is given."""
    collections, space = Collections(caller.space.refs), caller.space
    artifact_id = space.records.resolve(artifact).artifact.sha256 if artifact else ""
    found = collections.get_or_create(name)
    if artifact_id:
        collections.add(found.id, artifact_id)
    answer = redirect_to(f"/artifacts/{artifact_id}" if artifact_id else f"/collections/{found.id}")
    answer.background = caller.noting(artifact_id, "chosen") if artifact_id else None
    return answer


@router.get("/{collection}")
def show(request: Request, caller: Viewer, collection: str) -> Response:
    """Show the artifacts of a collection."""
    found, space = Collections(caller.space.refs).get(collection), caller.space
    records = space.records.find_readable(found.artifacts)
    return PageRenderer(request, caller.person).page(
        "collection.html",
        current="collections",
        collection=found,
        cards=cards_of(space, [(each.artifact.sha256, each.artifact.media_type, each.name) for each in records]),
    )


@router.post("/{collection}")
async def change(
    caller: Maker, collection: str, remove: Annotated[str, Form()] = "", forget: Annotated[str, Form()] = ""
) -> Response:
    """Remove an artifact, or delete the collection."""
    collections = Collections(caller.space.refs)
    if forget:
        await run_in_threadpool(collections.delete, collection)
        return redirect_to("/collections")
    await run_in_threadpool(collections.remove, collection, remove)
    return redirect_to(f"/artifacts/{remove}")
