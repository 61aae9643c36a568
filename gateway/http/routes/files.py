"""/files: the bytes of artifacts for whoever has a link, without a token."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response

from gateway.errors import NotFound
from gateway.http.access import services_of
from gateway.http.downloads.byte_ranges import stream_artifact
from gateway.http.downloads.links import PATH, check_link

router = APIRouter(prefix=PATH, tags=["Artifacts"])
_RESPONSES: dict[int | str, dict[str, object]] = {
    code: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    for code in (200, 206)
}


@router.get("/{project}/{artifact}/{name}", response_class=Response, responses=_RESPONSES)
def download_linked_file(
    request: Request,
    project: Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")],
    artifact: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")],
    name: Annotated[str, Path(max_length=400)],
    expires: Annotated[int, Query(ge=0, lt=2**53)],
    signature: Annotated[str, Query(pattern=r"^[0-9a-f]{64}$")],
) -> Response:
    """Send the bytes, or a range of them; the link is that of another answer, and valid for 15 minutes."""
    platform = services_of(request).platform
    check_link(platform.settings, project, artifact, name, expires, signature)
    space = platform.space(project)
    found = space.store.find(artifact)
    if found is None:
        raise NotFound(f"Project {project} has no artifact {artifact}.")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Cache-Control": "private, max-age=900",
        "X-Content-Type-Options": "nosniff",
    }
    return stream_artifact(space, found, request.headers.get("range", ""), found.media_type, headers)
