"""Media for the pages: previews of pictures, byte ranges of audio and video, captions."""

import re
from collections.abc import Generator

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from flows.library.inputs import resolve_input
from flows.running.platform import Space
from gateway.gallery.parts.cards import WEB_TYPES
from gateway.gallery.parts.transcripts import find_transcript
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Viewer
from gateway.http.artifacts import THUMBNAIL_TYPE, thumbnail_file
from modalities.speech.subtitles import cues, to_vtt
from storage.artifacts import Artifact

_CHUNK = 256 * 1024
_PREVIEW_SIDE = 1600
_IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
"""An artifact's id is the hash of its bytes, so they never change."""
_MEDIA = re.compile(r"(image|audio|video)/[a-z0-9.+-]+")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


router = APIRouter(route_class=GalleryRoute, include_in_schema=False)


@router.get("/previews/{artifact}")
def preview(caller: Viewer, artifact: str) -> Response:
    """Send a JPEG of at most 1600 × 1600 pixels."""
    path = thumbnail_file(caller.space, artifact, _PREVIEW_SIDE)
    return FileResponse(path, media_type=THUMBNAIL_TYPE, headers=_IMMUTABLE)


@router.get("/content/{artifact}")
def content(caller: Viewer, artifact: str, request: Request) -> Response:
    """Send the bytes of an artifact, or the range that a player requests."""
    found = resolve_input(caller.space, artifact).artifact
    return _stream(caller.space, found, request.headers.get("range", ""))


@router.get("/captions/{artifact}")
def captions(caller: Viewer, artifact: str) -> Response:
    """Send the transcript of a recording as WebVTT."""
    transcript = find_transcript(caller.space, resolve_input(caller.space, artifact).artifact)
    text = to_vtt(cues(transcript.segments if transcript else ()))
    return Response(text, media_type="text/vtt", headers={"Cache-Control": "private, max-age=60"})


def _stream(space: Space, artifact: Artifact, wanted: str) -> Response:
    """Stream a range; only images, audio and video are sent inline, everything else as a download.

    This keeps browsers from running HTML, SVG or scripts that somebody uploaded.
    """
    media_type = artifact.media_type.partition(";")[0]
    is_inline = _MEDIA.fullmatch(media_type) and (media_type in WEB_TYPES or not media_type.startswith("image/"))
    headers = {"Accept-Ranges": "bytes", "Content-Disposition": "inline" if is_inline else "attachment", **_IMMUTABLE}
    start, end = _range(wanted, artifact.size)
    if wanted and start >= end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{artifact.size}"})
    headers["Content-Length"] = str(end - start)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{artifact.size}"

    def chunks() -> Generator[bytes]:
        with space.store.open_range(artifact, start, end - start) as stream:
            yield from iter(lambda: stream.read(_CHUNK), b"")

    return StreamingResponse(
        chunks(),
        status_code=206 if wanted else 200,
        media_type=media_type if is_inline else "application/octet-stream",
        headers=headers,
    )


def _range(wanted: str, size: int) -> tuple[int, int]:
    """Parse a Range header. Returns the first byte and the one after the last; everything without a single range."""
    found = _RANGE.fullmatch(wanted.strip())
    if not found or not (found[1] or found[2]):
        return 0, size
    if not found[1]:
        return max(size - int(found[2]), 0), size
    return int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
