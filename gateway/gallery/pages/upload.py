"""The page that files are dropped on; they go to /api/artifacts."""

from fastapi import APIRouter, Request, Response

from gateway.gallery.page import Reader
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Maker

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)


@router.get("/upload")
def upload(request: Request, caller: Maker) -> Response:
    """The page."""
    return Reader(request, caller.person).page("upload.html", here="upload")
