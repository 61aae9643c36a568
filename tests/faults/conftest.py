"""What the fault tests share: cheap models on real servers, and processes that begin where nothing is loaded."""

import io
import multiprocessing
import wave
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from flows.running.platform import Platform
from flows.running.settings import Settings
from storage.bucket import Bucket
from tests.faults.cheap import catalogue
from tests.paths import SAMPLES

Files = dict[str, bytes]


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """Starts processes that have everything imported, and nothing open."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.scenario", "media.identify", "media.pictures"])
    return context


@pytest.fixture
def cheap(settings: Settings, tmp_path: Path) -> Settings:
    """The session's servers with models that cost nothing."""
    return settings.model_copy(update={"models_config": catalogue(tmp_path), "cache_dir": tmp_path / "cache"})


@pytest.fixture
def cheap_platform(cheap: Settings) -> Iterator[Platform]:
    """A platform on them that nothing is wrong with."""
    found = Platform(cheap)
    yield found
    found.database.close()
    found.claims.close()


@pytest.fixture
def files() -> Files:
    """A picture of each of two sizes, a text, a recording, and what is refused."""
    return {
        "one.jpg": picture(0, 48),
        "two.jpg": picture(1, 64),
        "note.txt": b"The market is full of pumpkins in autumn.",
        "deeper/clip.wav": sound(0.5),
        "page.jpg": b"<html><script>alert(1)</script></html>",
    }


@pytest.fixture
def drop(bucket: Bucket) -> Callable[[str, Files], None]:
    """Puts files into the inbox of a project."""

    def put(project: str, files: Files) -> None:
        for name, data in files.items():
            bucket.put(f"inbox/{project}/{name}", data)

    return put


def picture(number: int, side: int) -> bytes:
    """A small picture; another number, another picture."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(sorted(SAMPLES.glob("*.jpg"))[number % 5]) as image:
        small = image.convert("RGB").resize((side, side))
    small.putpixel((number % side, number // side), (255, 0, number % 256))
    small.save(out, "PNG")
    return out.getvalue()


def sound(seconds: float) -> bytes:
    """A quiet recording."""
    out = io.BytesIO()
    with wave.open(out, "wb") as written:
        written.setparams((1, 2, 16_000, 0, "NONE", ""))
        written.writeframes(bytes(range(256)) * int(seconds * 16_000 * 2 / 256))
    return out.getvalue()


def ended(process: Any, seconds: float = 120) -> int | None:
    """The exit code of a process; negative for the signal that ended it."""
    process.start()
    process.join(seconds)
    return process.exitcode
