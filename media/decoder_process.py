"""One decoder process: start it, send it requests, read its responses, and tell how it ended."""

import json
import math
import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from itertools import accumulate
from typing import Any

import psutil

import media.errors
from media.errors import DecoderFailed, ItemError, UnreadableMedia, UnsupportedMedia

_MAX_RESPONSE_BYTES = 64 * 1024
_MAX_BLOB_BYTES = 400_000_000
"""Of the pictures and texts that are read out of one file, together."""
_START_SECONDS = 120.0
_ITEM_ERRORS = (UnsupportedMedia.__name__, UnreadableMedia.__name__, DecoderFailed.__name__)
Response = tuple[dict[str, Any], list[bytes]]
"""The document of a response, and the bytes after it."""


class TimedOut(Exception):
    """The process exceeded its CPU limit or the timeout."""


class Stalled(Exception):
    """The process had no answer in time and used little of its CPU limit: the machine is busy, or it was stopped."""


class Died(Exception):
    """The process ended or broke the protocol; the message names the signal or the cause."""


class DecoderProcess:
    """One decoder process: sends requests, reads responses. Raises TimedOut, Stalled and Died."""

    def __init__(self, python: str, memory_bytes: int) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "media.decoder", str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
        )
        self._deadline = time.monotonic() + _START_SECONDS
        self._stalled_below = math.inf
        try:
            self._read_response()
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: dict[str, Any], timeout_seconds: float) -> Response:
        """Send a request; return the response. Raises TimedOut, Stalled, Died, and the error that the response is."""
        self._deadline = time.monotonic() + timeout_seconds
        self._stalled_below = self._used_cpu_seconds() + request["cpu_seconds"] / 2
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._exit_error() from error
        return self._read_response()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()

    def _read_response(self) -> Response:
        line, rest = self._read_line()
        document = _parse_document(line)
        sizes: list[int] = document.pop("sizes", [])
        data = self._read_bytes(rest, sum(sizes))
        ends = list(accumulate(sizes))
        return document, [bytes(data[end - size : end]) for size, end in zip(sizes, ends, strict=True)]

    def _read_line(self) -> tuple[bytes, bytes]:
        """Read to the end of the line; return it, and what was read after it."""
        line = b""
        while b"\n" not in line:
            line += self._read_some()
            if len(line) > _MAX_RESPONSE_BYTES and b"\n" not in line[:_MAX_RESPONSE_BYTES]:
                raise self._exit_error()
        first, _, rest = line.partition(b"\n")
        return first, rest

    def _read_bytes(self, first: bytes, size: int) -> bytearray:
        if len(first) > size:
            raise self._exit_error()
        data = bytearray(first)
        while len(data) < size:
            data += self._read_some()
        return data

    def _read_some(self) -> bytes:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            if not ready.select(max(self._deadline - time.monotonic(), 0)):
                raise Stalled if self._used_cpu_seconds() < self._stalled_below else TimedOut
        part = os.read(self._process.stdout.fileno(), _MAX_RESPONSE_BYTES)
        if not part:
            raise self._exit_error()
        return part

    def _used_cpu_seconds(self) -> float:
        try:
            used = psutil.Process(self.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return used.user + used.system

    def _exit_error(self) -> Exception:
        """Return the error for the way in which the process ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.poll()
        if code is not None and -code == signal.SIGXCPU:
            return TimedOut()
        named = code is not None and code < 0 and -code in set(signal.Signals)
        return Died(signal.Signals(-code).name if named and code else f"exit code {code}")


def _parse_document(line: bytes) -> dict[str, Any]:
    """Return a response. Raises the error in it, and Died if the response is invalid."""
    try:
        document: dict[str, Any] = json.loads(line)
        if document.get("error") in _ITEM_ERRORS:
            kind: type[ItemError] = getattr(media.errors, document["error"])
            raise kind(str(document["message"])[:500])
        sizes = document.get("sizes", [])
        if not all(isinstance(size, int) and size >= 0 for size in sizes) or sum(sizes) > _MAX_BLOB_BYTES:
            raise Died("invalid response")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Died("invalid response") from error
    return document


def _environment() -> dict[str, str]:
    """The environment of a decoder, without credentials and addresses."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH") if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
