"""/files: the bytes of artifacts for whoever has a link, without a token."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gateway.errors import NotFound
from gateway.http.access import services_of
from gateway.http.downloads.byte_ranges import stream_artifact
from gateway.http.downloads.headers import attachment
from gateway.http.downloads.links import PATH, check_link

router = APIRouter(prefix=PATH, tags=["Artifacts"])
_RESPONSES: dict[int | str, dict[str, object]] = {
    code: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    for code in (200, 206)
}


@router.get("/{project}/{artifact}/{name}", response_class=Response, responses=_RESPONSES)
def download_linked_file(
    request: Request,
    project: str,
    artifact: str,
    name: str,
    expires: Annotated[str, Query(description="In seconds since 1970.")] = "",
    signature: Annotated[str, Query(description="Of all that the link names.")] = "",
) -> Response:
    """Send the bytes, or a range of them. Signed links are parts of other answers, and expire after 15 minutes."""
    platform = services_of(request).platform
    # The signature is checked first, so that a forged link does not reveal which projects and artifacts exist.
    check_link(platform.settings, project, artifact, name, expires, signature)
    space = platform.space(project)
    found = space.store.find(artifact)
    if found is None:
        raise NotFound(f"Project {project} has no artifact {artifact}.")
    headers = attachment(name) | {"Cache-Control": "private, max-age=900"}
    return stream_artifact(space, found, request.headers.get("range", ""), found.media_type, headers)
