"""The sandboxed process that reads untrusted files: `python -m media.decoder <memory in bytes>`.

It reads one JSON request per line from standard input and writes one JSON response per line to standard output; after
the response, as many bytes as its `sizes` say.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import media
from media.confinement.privileges import drop_privileges, limit_cpu
from media.errors import DecoderFailed, ItemError, UnsupportedMedia
from media.facts import Caps
from media.identify import identify, load_libraries
from media.location import location_patches
from media.read import read_contents
from media.recordings.added_track import add_track
from media.rewriting.language_tags import Languages
from media.rewriting.passages import PASSAGES
from media.rewriting.rewrite import outline, rewrite


def main() -> None:
    """Load the libraries, drop privileges, then answer requests until the end of the input."""
    load_libraries()
    drop_privileges(int(sys.argv[1]), [Path(folder) for folder in media.__path__])
    requests, responses = sys.stdin.buffer, sys.stdout.buffer
    responses.write(b"{}\n")  # ready
    responses.flush()
    for line in requests:
        response, blobs = _respond(json.loads(line))
        responses.write(json.dumps(response | {"sizes": [len(blob) for blob in blobs]}).encode() + b"\n")
        responses.writelines(blobs)
        responses.flush()


def _respond(request: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    """Do the task of a request within its CPU time; return what came out, or the name of an error."""
    limit_cpu(request["cpu_seconds"])
    path = Path(request["path"])
    try:
        path.open("rb").close()
    except OSError as error:  # later, libraries would take it for a fault of the file's content
        reason = f"The process that reads files cannot open it: {error.strerror}."
        return {"error": DecoderFailed.__name__, "message": reason}, []
    try:
        return _result(request, path, Caps.model_validate(request["caps"]))
    except ItemError as error:
        return {"error": type(error).__name__, "message": str(error)}, []
    except MemoryError:
        reason = "The file needs more memory to be read than Triptych gives it: make it smaller."
        return {"error": UnsupportedMedia.__name__, "message": reason}, []


def _result(request: dict[str, Any], path: Path, caps: Caps) -> tuple[dict[str, Any], list[bytes]]:
    """Do the task of a request. Raises ItemError."""
    if request["task"] == "identify":
        return {"facts": identify(path, request["name"], caps).model_dump(mode="json")}, []
    if request["task"] == "locate":
        patches = location_patches(path, request["media_type"])
        places = [[patch.offset, patch.is_whole] for patch in patches]
        return {"places": places}, [patch.data for patch in patches]
    if request["task"] == "outline":
        return {}, [PASSAGES.dump_json(outline(path.read_bytes(), request["ending"]))]
    if request["task"] == "rewrite":
        answers = PASSAGES.validate_json(Path(request["answers"]).read_bytes())
        languages = Languages(*request["languages"]) if request["languages"] else None
        return {}, [rewrite(path.read_bytes(), request["ending"], answers, languages)]
    if request["task"] == "add_track":
        media_type, film = add_track(path, Path(request["sound"]), request["language"])
        return {"media_type": media_type}, [film]
    extract, blobs = read_contents(path, request["media_type"], caps)
    return {}, [extract.model_dump_json().encode(), *blobs]


if __name__ == "__main__":
    threading.stack_size(1024 * 1024)  # for decoders that start threads: memory is limited
    main()
