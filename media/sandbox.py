"""Identify and read untrusted files in sandboxed processes with limited time and memory.

The processes stay warm, so a small picture takes milliseconds. A process that times out, stalls or dies is replaced.
Its response is validated like any input: an attacker who takes a process over can only falsify the facts of files.
"""

import os
import queue
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from media.decoder_process import DecoderProcess, Died, Response, Stalled, TimedOut
from media.errors import DecoderFailed, DecoderUnavailable, UnreadableMedia, UnsupportedMedia
from media.facts import CAPS, Caps, MediaFacts
from media.location import Patch, apply_patches
from media.reading.contents import Extract
from media.recordings.added_track import FILM_ENDINGS
from media.rewriting.language_tags import Languages
from media.rewriting.passages import PASSAGES, Passage

_MAX_ATTEMPTS = 3
FoundT = TypeVar("FoundT")


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

    def __init__(self, limits: Limits | None = None, count: int | None = None, python: str = sys.executable) -> None:
        self.limits = limits or Limits()
        self._python = python
        self._free: queue.LifoQueue[DecoderProcess | None] = queue.LifoQueue()
        for _ in range(count or min(os.cpu_count() or 1, 4)):
            self._free.put(None)

    def identify(self, path: Path, name: str, caps: Caps = CAPS) -> MediaFacts:
        """Identify a file in a decoder process.

        Raises UnsupportedMedia, UnreadableMedia, and DecoderFailed if the process does not start or is killed from
        outside.
        """
        with _readable_by_decoders(path) as readable:
            facts, _ = self._answer(readable, {"task": "identify", "name": name}, caps, _parse_facts)
        return facts

    def read(self, path: Path, media_type: str, caps: Caps = CAPS) -> tuple[Extract, list[bytes]]:
        """Read what is in a file that was identified; return the contents and the bytes of their pictures.

        Raises as `identify` does.
        """
        with _readable_by_decoders(path) as readable:
            return self._answer(readable, {"task": "read", "media_type": media_type}, caps, _parse_extract)

    def drop_location(self, path: Path, media_type: str, caps: Caps = CAPS) -> bool:
        """Blank the location in a file that was identified, in place; return whether there was one.

        A decoder finds the places, and what it says is written here. Raises as `identify` does.
        """
        with _readable_by_decoders(path) as readable:
            patches = self._answer(readable, {"task": "locate", "media_type": media_type}, caps, _parse_patches)
        apply_patches(path, patches)
        return bool(patches)

    def add_track(self, film: Path, sound: Path, language: str) -> tuple[str, bytes]:
        """Return the media type and the bytes of a film with a further sound track. Raises as `identify` does.

        `language` is of three letters. Both files are in the temporary folder.
        """
        task = {"task": "add_track", "sound": str(sound.resolve()), "language": language}
        with _readable_by_decoders(film) as readable:
            return self._answer(readable, task, CAPS, _parse_film)

    def outline(self, data: bytes, ending: str) -> list[Passage]:
        """List the passages of a document that is to be translated; `ending` such as .docx. Raises as `identify`."""
        with _temporary_files(data) as (path,):
            return self._answer(path, {"task": "outline", "ending": ending}, CAPS, _parse_passages)

    def rewrite(
        self, data: bytes, ending: str, answers: Sequence[Passage], languages: Languages | None = None
    ) -> bytes:
        """Return a document with the translations of its passages, which names its new language.

        Raises as `identify` does.
        """
        with _temporary_files(data, PASSAGES.dump_json(list(answers))) as (path, answered):
            task = {"task": "rewrite", "ending": ending, "answers": str(answered), "languages": languages}
            return self._answer(path, task, CAPS, _parse_written)

    def _answer(self, path: Path, task: dict[str, Any], caps: Caps, parse: Callable[[Response], FoundT]) -> FoundT:
        seconds = self.limits.cpu_for(path.stat().st_size)
        request = {"path": str(path), "caps": caps.model_dump(), "cpu_seconds": seconds} | task
        cause = ""
        for _ in range(_MAX_ATTEMPTS):
            decoder = self._free.get()
            try:
                decoder = decoder or self._start()
                return parse(decoder.send(request, seconds * self.limits.timeout_factor))
            except TimedOut as error:
                decoder = _end(decoder)
                raise UnsupportedMedia(
                    f"The file takes longer than {seconds} s to be read: make it smaller."
                ) from error
            except Stalled as error:
                decoder = _end(decoder)
                raise DecoderFailed(
                    "The process that reads files had hardly any processor time: the machine is too busy."
                ) from error
            except Died as error:
                decoder = _end(decoder)
                cause = str(error)
            finally:
                self._free.put(decoder)
        if cause == signal.SIGKILL.name:  # killed from outside, such as by the kernel's OOM killer
            raise DecoderFailed(
                "The process that reads files was killed again and again: look at the machine's memory."
            )
        raise UnreadableMedia(f"The file makes its decoder fail ({cause}): its data is broken or hostile.")

    def _start(self) -> DecoderProcess:
        """Start a decoder. Raises DecoderUnavailable, which says nothing about the file that waits for it."""
        try:
            return DecoderProcess(self._python, self.limits.memory_bytes)
        except (OSError, Died, Stalled) as error:
            reason = str(error) or "it does not answer"
            raise DecoderUnavailable(f"The process that reads files cannot be started: {reason}.") from error

    def pids(self) -> list[int]:
        """List the process ids of the idle decoders."""
        return [decoder.pid for decoder in list(self._free.queue) if decoder is not None]

    def close(self) -> None:
        """Kill the idle decoders."""
        with suppress(queue.Empty):
            while True:
                _end(self._free.get_nowait())


@contextmanager
def _readable_by_decoders(path: Path) -> Generator[Path]:
    """Yield the file if it is in the temporary folder, which decoders can read; otherwise a copy there."""
    temporary = Path(tempfile.gettempdir()).resolve()
    if path.resolve().is_relative_to(temporary):
        yield path.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
        yield Path(shutil.copyfile(path, Path(folder) / "file"))


@contextmanager
def _temporary_files(*contents: bytes) -> Generator[list[Path]]:
    """Yield files that decoders can read."""
    with tempfile.TemporaryDirectory(prefix="triptych-") as folder:
        paths = [Path(folder).resolve() / str(number) for number in range(len(contents))]
        for path, data in zip(paths, contents, strict=True):
            path.write_bytes(data)
        yield paths


def _parse_passages(response: Response) -> list[Passage]:
    try:
        return PASSAGES.validate_json(response[1][0])
    except (LookupError, ValidationError) as error:
        raise Died("invalid response") from error


def _parse_written(response: Response) -> bytes:
    if len(response[1]) != 1:
        raise Died("invalid response")
    return response[1][0]


def _parse_film(response: Response) -> tuple[str, bytes]:
    document, blobs = response
    if len(blobs) != 1 or document.get("media_type") not in FILM_ENDINGS:
        raise Died("invalid response")
    return document["media_type"], blobs[0]


def _end(decoder: DecoderProcess | None) -> None:
    if decoder is not None:
        decoder.end()


def _parse_patches(response: Response) -> list[Patch]:
    document, blobs = response
    try:
        places = zip(document["places"], blobs, strict=True)
        return [Patch(int(offset), blob, bool(is_whole)) for (offset, is_whole), blob in places]
    except (KeyError, TypeError, ValueError) as error:
        raise Died("invalid response") from error


def _parse_facts(response: Response) -> tuple[MediaFacts, list[bytes]]:
    try:
        return MediaFacts.model_validate(response[0]["facts"]), []
    except (KeyError, ValidationError) as error:
        raise Died("invalid response") from error


def _parse_extract(response: Response) -> tuple[Extract, list[bytes]]:
    try:
        extract, blobs = Extract.model_validate_json(response[1][0]), response[1][1:]
    except (LookupError, ValidationError) as error:
        raise Died("invalid response") from error
    if any(not 0 <= picture.blob < len(blobs) for picture in extract.renderings()):
        raise Died("invalid response")
    return extract, blobs
