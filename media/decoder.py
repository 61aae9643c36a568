"""The sandboxed process that reads untrusted files: `python -m media.decoder <memory in bytes>`.

It reads one JSON request per line from standard input and writes one JSON response per line to standard output.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import media
from media.errors import ItemError, UnsupportedMedia
from media.identify import Caps, identify, load_libraries
from media.privileges import drop_privileges, limit_cpu


def main() -> None:
    """Load the libraries, drop privileges, then answer requests until the end of the input."""
    load_libraries()
    drop_privileges(int(sys.argv[1]), [Path(folder) for folder in media.__path__])
    requests, responses = sys.stdin.buffer, sys.stdout.buffer
    responses.write(b"{}\n")  # ready
    responses.flush()
    for line in requests:
        responses.write(json.dumps(_respond(json.loads(line))).encode() + b"\n")
        responses.flush()


def _respond(request: dict[str, Any]) -> dict[str, Any]:
    """Identify one file, within its CPU time; return its facts, or the name and message of an error."""
    limit_cpu(request["cpu_seconds"])
    try:
        facts = identify(Path(request["path"]), request["name"], Caps.model_validate(request["caps"]))
    except ItemError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except MemoryError:
        reason = "The file needs more memory to be read than Triptych gives it: make it smaller."
        return {"error": UnsupportedMedia.__name__, "message": reason}
    return {"facts": facts.model_dump(mode="json")}


if __name__ == "__main__":
    threading.stack_size(1024 * 1024)  # for decoders that start threads: memory is limited
    main()
