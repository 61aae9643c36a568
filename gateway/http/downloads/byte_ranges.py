"""Stream artifacts from the bucket, whole or in the byte ranges that players and downloaders ask for."""

import re
from collections.abc import Generator, Mapping

from fastapi import Response
from fastapi.responses import StreamingResponse

from flows.running.platform import Space
from storage.artifacts import Artifact

_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def stream_artifact(
    space: Space, artifact: Artifact, wanted: str, media_type: str, headers: Mapping[str, str]
) -> Response:
    """Send the bytes of an artifact, or those of the Range header `wanted`; 416 for a range beyond them.

    The bytes pass through in chunks: none is kept in memory.
    """
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{artifact.sha256}"', **headers}
    start, end = _range(wanted, artifact.size)
    if wanted and start >= end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{artifact.size}"})
    headers["Content-Length"] = str(end - start)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{artifact.size}"

    def chunks() -> Generator[bytes]:
        if start == end:
            return
        with space.store.open_range(artifact, start, end - start) as stream:
            yield from iter(lambda: stream.read(_CHUNK), b"")

    return StreamingResponse(chunks(), status_code=206 if wanted else 200, media_type=media_type, headers=dict(headers))


def _range(wanted: str, size: int) -> tuple[int, int]:
    """Parse a Range header. Returns the first byte and the one after the last; everything without a single range."""
    found = _RANGE.fullmatch(wanted.strip())
    if not found or not (found[1] or found[2]):
        return 0, size
    if not found[1]:
        return max(size - int(found[2]), 0), size
    return int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
