"""The upload page; its script sends the files to /api/artifacts."""

from fastapi import APIRouter, Request, Response

from gateway.gallery.page import PageRenderer
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Maker

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)


@router.get("/upload")
def upload(request: Request, caller: Maker) -> Response:
    """Show the page, with the files of the inbox that wait."""
    waiting = caller.space.platform.waiting.of_project(caller.project)
    return PageRenderer(request, caller.person).page("upload.html", current="upload", waiting=waiting)
