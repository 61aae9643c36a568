"""Strangers who send large bodies without a token: what they are told, and what it costs the gateway's memory.

    .venv/bin/python -m benchmarks.faults.strangers --strangers 100 --megabytes 100

Needs a running stack (`triptych up`). Half of the bodies have a Content-Length, the others are chunked. Each stranger
goes on sending after the answer, as long as the connection takes it.
"""

import argparse
import json
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from benchmarks.gateway_load import gateway_mb
from flows.running.settings import Settings, load_settings

_MEGABYTE = 1_000_000
_PATHS = ("/api/artifacts", "/api/search", "/v1/images/edits", "/translate_file")
_SILENCE_SECONDS = 20.0


def run(settings: Settings, strangers: int, megabytes: int) -> dict[str, Any]:
    """Send all bodies at once; return the statuses, what was sent, and the gateway's memory before and at its peak."""
    before, peak, stop = gateway_mb(settings.home), [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            peak[0] = max(peak[0], gateway_mb(settings.home))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    with ThreadPoolExecutor(strangers) as threads:
        answers = list(threads.map(partial(_send, str(settings.gateway_url), megabytes), range(strangers)))
    stop.set()
    watcher.join()
    return {
        "statuses": dict(Counter(status for status, _ in answers)),
        "sent_mb": round(sum(sent for _, sent in answers) / _MEGABYTE),
        "of_mb": strangers * megabytes,
        "seconds": round(time.monotonic() - began, 1),
        "gateway_mb": {"before": round(before), "peak": round(peak[0])},
    }


def _send(url: str, megabytes: int, number: int) -> tuple[int, int]:
    """Send one body; return the status and how many bytes of it the connection took."""
    address = urlsplit(url)
    is_chunked = bool(number % 2)
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {megabytes * _MEGABYTE}"
    kind = "multipart/form-data; boundary=x" if number % 4 == 0 else "application/json"
    head = f"POST {_PATHS[number % len(_PATHS)]} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: {kind}\r\n{length}"
    piece = b"x" * 65_536
    data = b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece
    sent = 0
    with socket.create_connection((address.hostname or "", address.port or 80), timeout=_SILENCE_SECONDS) as connection:
        with suppress(OSError):
            connection.sendall(f"{head}\r\n\r\n".encode())
            while sent < megabytes * _MEGABYTE:
                connection.sendall(data)
                sent += len(piece)
        answer = b""
        with suppress(OSError):
            answer = connection.recv(65_536)
    words = answer.split()
    return int(words[1]) if len(words) > 1 else 0, sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strangers", type=int, default=100)
    parser.add_argument("--megabytes", type=int, default=100)
    chosen = parser.parse_args()
    print(json.dumps(run(load_settings(), chosen.strangers, chosen.megabytes), indent=1))


if __name__ == "__main__":
    main()
