"""The pages of collections."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.concurrency import run_in_threadpool

from gateway.gallery.page import Reader, see
from gateway.gallery.parts.cards import cards_of
from gateway.gallery.parts.collections import Collections
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Maker, Viewer

router = APIRouter(prefix="/collections", route_class=GalleryRoute, include_in_schema=False)


@router.get("")
def show_all(request: Request, caller: Viewer) -> Response:
    """Every collection."""
    return Reader(request, caller.person).page(
        "collections.html", here="collections", collections=Collections(caller.space.refs).all()
    )


@router.post("")
def put_in(caller: Maker, name: Annotated[str, Form()] = "", artifact: Annotated[str, Form()] = "") -> Response:
    """Make a collection, or put an artifact into the one of this name."""
    collections, space = Collections(caller.space.refs), caller.space
    identity = space.records.resolve(artifact).artifact.sha256 if artifact else ""
    found = collections.named(name)
    if identity:
        collections.put_in(found.id, identity)
    return see(f"/artifacts/{identity}" if identity else f"/collections/{found.id}")


@router.get("/{collection}")
def show(request: Request, caller: Viewer, collection: str) -> Response:
    """What is in a collection."""
    found, space = Collections(caller.space.refs).get(collection), caller.space
    records = [record for artifact in found.artifacts if (record := space.records.find(artifact))]
    return Reader(request, caller.person).page(
        "collection.html",
        here="collections",
        collection=found,
        cards=cards_of(space, [(each.artifact.sha256, each.kind, each.name) for each in records]),
    )


@router.post("/{collection}")
async def change(
    caller: Maker, collection: str, remove: Annotated[str, Form()] = "", forget: Annotated[str, Form()] = ""
) -> Response:
    """Take an artifact out, or forget the collection."""
    collections = Collections(caller.space.refs)
    if forget:
        await run_in_threadpool(collections.forget, collection)
        return see("/collections")
    await run_in_threadpool(collections.take_out, collection, remove)
    return see(f"/artifacts/{remove}")
