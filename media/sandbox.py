"""The sandbox: files from outside are read in processes of their own, which get so much time and memory and no more.

The processes stay warm: reading a small picture costs milliseconds. One that takes too long, or dies, is replaced.
What it answers is checked like any input: whoever took it over can lie about one file, and no more.
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

_ANSWER_BYTES = 64 * 1024
_START_SECONDS = 120.0
_ATTEMPTS = 3
_REFUSALS = (UnsupportedMedia.__name__, UnreadableMedia.__name__)


class Limits(BaseModel):
    """What reading one file may cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_bytes: int = Field(default=1_000_000_000, description="Beside what the libraries take.")
    cpu_seconds: float = Field(default=30, description="For any file.")
    cpu_seconds_per_megabyte: float = Field(
        default=1.0, description="An hour of music as MP3 has 60 MB and takes 10 s."
    )
    most_cpu_seconds: float = Field(default=900, description="However large it is.")
    patience: float = Field(default=4.0, description="How much longer than it computes a process may take.")

    def cpu_for(self, size: int) -> int:
        return int(min(self.cpu_seconds + size / 1e6 * self.cpu_seconds_per_megabyte, self.most_cpu_seconds)) + 1


class Decoders:
    """At most `count` processes that read files; each is started when it is first needed."""

    def __init__(self, limits: Limits | None = None, count: int | None = None) -> None:
        self.limits = limits or Limits()
        self._free: queue.LifoQueue[_Decoder | None] = queue.LifoQueue()
        for _ in range(count or min(os.cpu_count() or 1, 4)):
            self._free.put(None)

    def identify(self, path: Path, name: str, caps: Caps = CAPS) -> MediaFacts:
        """What the file is. Raises UnsupportedMedia, UnreadableMedia and, when nobody can tell, DecoderFailed."""
        with _where_decoders_see_it(path) as seen:
            return self._identify(seen, name, caps)

    def _identify(self, path: Path, name: str, caps: Caps) -> MediaFacts:
        seconds = self.limits.cpu_for(path.stat().st_size)
        order = {"path": str(path), "name": name, "caps": caps.model_dump(), "cpu_seconds": seconds}
        fate = ""
        for _ in range(_ATTEMPTS):
            decoder = self._free.get()
            try:
                if decoder is None:
                    decoder = _Decoder(self.limits.memory_bytes)
                answer = decoder.ask(order, seconds * self.limits.patience)
                return _facts(answer)
            except _TookTooLong as error:
                decoder = _ended(decoder)
                raise UnsupportedMedia(
                    f"The file takes longer than {seconds} s to be read: make it smaller."
                ) from error
            except _Died as error:
                decoder = _ended(decoder)
                fate = str(error)
            finally:
                self._free.put(decoder)
        if fate == signal.SIGKILL.name:  # somebody else's doing, such as a machine short of memory
            raise DecoderFailed(
                "The process that reads files was killed again and again: look at the machine's memory."
            )
        raise UnreadableMedia(f"The file makes its decoder fail ({fate}): its data is broken or hostile.")

    def pids(self) -> list[int]:
        """The processes that wait for work."""
        return [decoder.pid for decoder in list(self._free.queue) if decoder is not None]

    def close(self) -> None:
        """End the processes that are not at work."""
        with suppress(queue.Empty):
            while True:
                _ended(self._free.get_nowait())


class _TookTooLong(Exception):
    """The process used up its time."""


class _Died(Exception):
    """The process ended; the message names the signal."""


class _Decoder:
    """One process, its orders and its answers."""

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
        self._line()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, order: dict[str, Any], seconds: float) -> bytes:
        """The answer's line. Raises _TookTooLong and _Died."""
        self._deadline = time.monotonic() + seconds
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._fate() from error
        return self._line()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        said = b""
        with selectors.DefaultSelector() as ready:
            ready.register(self._process.stdout, selectors.EVENT_READ)
            while not said.endswith(b"\n"):
                if not ready.select(max(self._deadline - time.monotonic(), 0)):
                    raise _TookTooLong
                part = os.read(self._process.stdout.fileno(), _ANSWER_BYTES)
                said += part
                if not part or len(said) > _ANSWER_BYTES:
                    raise self._fate()
        return said

    def _fate(self) -> Exception:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.poll()
        if code is not None and -code == signal.SIGXCPU:
            return _TookTooLong()
        named = code is not None and code < 0 and -code in set(signal.Signals)
        return _Died(signal.Signals(-code).name if named and code else f"exit code {code}")


@contextmanager
def _where_decoders_see_it(path: Path) -> Generator[Path]:
    """The file itself when it lies in the folder of temporary files, otherwise a copy there."""
    temporary = Path(tempfile.gettempdir()).resolve()
    if path.resolve().is_relative_to(temporary):
        yield path.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
        yield Path(shutil.copyfile(path, Path(folder) / "file"))


def _ended(decoder: _Decoder | None) -> None:
    if decoder is not None:
        decoder.end()


def _facts(line: bytes) -> MediaFacts:
    """The facts in an answer. Raises the error in it, and _Died for what is no answer."""
    try:
        answer = json.loads(line)
        if answer.get("error") in _REFUSALS:
            kind: type[ItemError] = getattr(media.errors, answer["error"])
            raise kind(str(answer["message"])[:500])
        return MediaFacts.model_validate(answer["facts"])
    except (ValueError, KeyError, AttributeError, ValidationError) as error:
        raise _Died("an answer that is none") from error


def _environment() -> dict[str, str]:
    """Nothing of ours: no credential, no address."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH") if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
