"""Media for the pages: previews of pictures, byte ranges of audio and video, captions."""

import re

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from flows.library.inputs import resolve_input
from flows.running.platform import Space
from gateway.gallery.parts.cards import WEB_TYPES
from gateway.gallery.parts.heat_maps import heat_map_png
from gateway.gallery.parts.transcripts import find_transcript
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Viewer
from gateway.http.artifacts import THUMBNAIL_TYPE, ClassifierName, explain_label, explain_picture, thumbnail_file
from gateway.http.downloads.byte_ranges import stream_artifact
from gateway.http.downloads.headers import immutable
from modalities.speech.repetitions import spoken
from modalities.speech.subtitles.cues import cues
from modalities.speech.subtitles.formats import to_vtt
from storage.artifacts import Artifact

_PREVIEW_SIDE = 1600
_MEDIA = re.compile(r"(image|audio|video)/[a-z0-9.+-]+")


router = APIRouter(route_class=GalleryRoute, include_in_schema=False)


@router.get("/previews/{artifact}")
def preview(caller: Viewer, artifact: str) -> Response:
    """Send a JPEG of at most 1600 × 1600 pixels."""
    path = thumbnail_file(caller.space, artifact, _PREVIEW_SIDE)
    return FileResponse(path, media_type=THUMBNAIL_TYPE, headers=immutable())


@router.get("/heat-maps/{artifact}")
async def heat_map(
    caller: Viewer,
    artifact: str,
    q: str = "",
    at: float | None = None,
    place: str = "",
    classifier: ClassifierName = "",
) -> Response:
    """Send a transparent PNG to lay over a picture: colored where it makes a search find it, or gave it its label."""
    if classifier:
        regions = (await explain_label(caller, artifact, classifier)).regions
    else:
        regions = (await explain_picture(caller, artifact, q, seconds=at, place=place)).regions
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(heat_map_png(regions or [[0.0]]), media_type="image/png", headers=headers)


@router.get("/content/{artifact}")
def content(caller: Viewer, artifact: str, request: Request) -> Response:
    """Send the bytes of an artifact, or the range that a player requests."""
    found = resolve_input(caller.space, artifact).artifact
    return _stream(caller.space, found, request.headers.get("range", ""))


@router.get("/captions/{artifact}")
def captions(caller: Viewer, artifact: str) -> Response:
    """Send the transcript of a recording as WebVTT."""
    transcript = find_transcript(caller.space, resolve_input(caller.space, artifact).artifact)
    text = to_vtt(cues(spoken(transcript.segments) if transcript else ()))
    return Response(text, media_type="text/vtt", headers={"Cache-Control": "private, max-age=60"})


def _stream(space: Space, artifact: Artifact, wanted: str) -> Response:
    """Stream a range; only images, audio and video are sent inline, everything else as a download.

    This keeps browsers from running HTML, SVG or scripts that somebody uploaded.
    """
    media_type = artifact.media_type.partition(";")[0]
    is_inline = _MEDIA.fullmatch(media_type) and (media_type in WEB_TYPES or not media_type.startswith("image/"))
    headers = {"Content-Disposition": "inline" if is_inline else "attachment", **immutable()}
    return stream_artifact(space, artifact, wanted, media_type if is_inline else "application/octet-stream", headers)
