"""Identify untrusted files in sandboxed processes with limited time and memory.

The processes stay warm, so a small picture takes milliseconds. A process that times out or dies is replaced. Its
response is validated like any input: an attacker who takes a process over can only falsify the facts of files.
"""

import json
import os
import queue
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import media.errors
from media.errors import DecoderFailed, ItemError, UnreadableMedia, UnsupportedMedia
from media.identify import CAPS, Caps, MediaFacts

_MAX_RESPONSE_BYTES = 64 * 1024
_START_SECONDS = 120.0
_MAX_ATTEMPTS = 3
_FILE_ERRORS = (UnsupportedMedia.__name__, UnreadableMedia.__name__)


class Limits(BaseModel):
    """The limits for reading one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_bytes: int = Field(default=1_000_000_000, description="In addition to what the libraries occupy.")
    cpu_seconds: float = Field(default=30, description="Base for any file.")
    cpu_seconds_per_megabyte: float = Field(
        default=1.0, description="An hour of music as MP3 has 60 MB and takes 10 s."
    )
    max_cpu_seconds: float = Field(default=900, description="Upper limit for any size.")
    timeout_factor: float = Field(default=4.0, description="Wall-clock timeout, as a multiple of the CPU limit.")

    def cpu_for(self, size: int) -> int:
        """Return the CPU limit in seconds for a file of `size` bytes."""
        return int(min(self.cpu_seconds + size / 1e6 * self.cpu_seconds_per_megabyte, self.max_cpu_seconds)) + 1


class Decoders:
    """A pool of at most `count` decoder processes; each is started on first use."""

    def __init__(self, limits: Limits | None = None, count: int | None = None) -> None:
        self.limits = limits or Limits()
        self._free: queue.LifoQueue[_Decoder | None] = queue.LifoQueue()
        for _ in range(count or min(os.cpu_count() or 1, 4)):
            self._free.put(None)

    def identify(self, path: Path, name: str, caps: Caps = CAPS) -> MediaFacts:
        """Identify a file in a decoder process.

        Raises UnsupportedMedia, UnreadableMedia, and DecoderFailed if the process is killed from outside.
        """
        with _readable_by_decoders(path) as readable:
            return self._identify(readable, name, caps)

    def _identify(self, path: Path, name: str, caps: Caps) -> MediaFacts:
        seconds = self.limits.cpu_for(path.stat().st_size)
        request = {"path": str(path), "name": name, "caps": caps.model_dump(), "cpu_seconds": seconds}
        cause = ""
        for _ in range(_MAX_ATTEMPTS):
            decoder = self._free.get()
            try:
                if decoder is None:
                    decoder = _Decoder(self.limits.memory_bytes)
                response = decoder.send(request, seconds * self.limits.timeout_factor)
                return _parse_response(response)
            except _TimedOut as error:
                decoder = _end(decoder)
                raise UnsupportedMedia(
                    f"The file takes longer than {seconds} s to be read: make it smaller."
                ) from error
            except _Died as error:
                decoder = _end(decoder)
                cause = str(error)
            finally:
                self._free.put(decoder)
        if cause == signal.SIGKILL.name:  # killed from outside, such as by the kernel's OOM killer
            raise DecoderFailed(
                "The process that reads files was killed again and again: look at the machine's memory."
            )
        raise UnreadableMedia(f"The file makes its decoder fail ({cause}): its data is broken or hostile.")

    def pids(self) -> list[int]:
        """List the process ids of the idle decoders."""
        return [decoder.pid for decoder in list(self._free.queue) if decoder is not None]

    def close(self) -> None:
        """Kill the idle decoders."""
        with suppress(queue.Empty):
            while True:
                _end(self._free.get_nowait())


class _TimedOut(Exception):
    """The process exceeded its CPU limit or the timeout."""


class _Died(Exception):
    """The process ended or broke the protocol; the message names the signal or the cause."""


class _Decoder:
    """One decoder process: sends requests, reads responses. Raises _TimedOut and _Died."""

    def __init__(self, memory_bytes: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "media.decoder", str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
        )
        self._deadline = time.monotonic() + _START_SECONDS
        self._read_line()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: dict[str, Any], timeout_seconds: float) -> bytes:
        """Send a request and return the line of the response. Raises _TimedOut and _Died."""
        self._deadline = time.monotonic() + timeout_seconds
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._exit_error() from error
        return self._read_line()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()

    def _read_line(self) -> bytes:
        assert self._process.stdout is not None
        line = b""
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not ready.select(max(self._deadline - time.monotonic(), 0)):
                    raise _TimedOut
                part = os.read(self._process.stdout.fileno(), _MAX_RESPONSE_BYTES)
                line += part
                if not part or len(line) > _MAX_RESPONSE_BYTES:
                    raise self._exit_error()
        return line

    def _exit_error(self) -> Exception:
        """Return the error for the way in which the process ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.poll()
        if code is not None and -code == signal.SIGXCPU:
            return _TimedOut()
        named = code is not None and code < 0 and -code in set(signal.Signals)
        return _Died(signal.Signals(-code).name if named and code else f"exit code {code}")


@contextmanager
def _readable_by_decoders(path: Path) -> Generator[Path]:
    """Yield the file if it is in the temporary folder, which decoders can read; otherwise a copy there."""
    temporary = Path(tempfile.gettempdir()).resolve()
    if path.resolve().is_relative_to(temporary):
        yield path.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
        yield Path(shutil.copyfile(path, Path(folder) / "file"))


def _end(decoder: _Decoder | None) -> None:
    if decoder is not None:
        decoder.end()


def _parse_response(line: bytes) -> MediaFacts:
    """Return the facts in a response. Raises the error in it, and _Died if the response is invalid."""
    try:
        response = json.loads(line)
        if response.get("error") in _FILE_ERRORS:
            kind: type[ItemError] = getattr(media.errors, response["error"])
            raise kind(str(response["message"])[:500])
        return MediaFacts.model_validate(response["facts"])
    except (ValueError, KeyError, AttributeError, ValidationError) as error:
        raise _Died("invalid response") from error


def _environment() -> dict[str, str]:
    """The environment of a decoder, without credentials and addresses."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH") if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
