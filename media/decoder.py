"""The process that reads hostile bytes, `python -m media.decoder <bytes>`: a line in, a line out, file by file."""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import media
from media.errors import ItemError, UnsupportedMedia
from media.identify import Caps, identify, load_libraries
from media.privileges import allow_cpu, confine


def main() -> None:
    """Load what decodes, give up all else, then answer until nobody asks any more."""
    load_libraries()
    confine(int(sys.argv[1]), [Path(folder) for folder in media.__path__])
    orders, answers = sys.stdin.buffer, sys.stdout.buffer
    answers.write(b"{}\n")
    answers.flush()
    for line in orders:
        answers.write(json.dumps(_answer(json.loads(line))).encode() + b"\n")
        answers.flush()


def _answer(order: dict[str, Any]) -> dict[str, Any]:
    allow_cpu(order["cpu_seconds"])
    try:
        facts = identify(Path(order["path"]), order["name"], Caps.model_validate(order["caps"]))
    except ItemError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except MemoryError:
        reason = "The file needs more memory to be read than Triptych gives it: make it smaller."
        return {"error": UnsupportedMedia.__name__, "message": reason}
    return {"facts": facts.model_dump(mode="json")}


if __name__ == "__main__":
    threading.stack_size(1024 * 1024)  # of decoders that start threads
    main()
