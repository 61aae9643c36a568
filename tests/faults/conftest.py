"""Fixtures of the fault tests: stub models on real servers, and a fork server to start processes from."""

import io
import multiprocessing
import wave
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from flows.running.platform import Platform
from flows.running.settings import Settings
from storage.bucket import Bucket
from tests.faults.stub_models import write_catalogue
from tests.paths import SAMPLES

Files = dict[str, bytes]


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """A fork server whose processes have the modules imported and no connection open."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.preloaded"])
    return context


@pytest.fixture
def stub_settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with the session's servers and the stub models."""
    return settings.model_copy(update={"models_config": write_catalogue(tmp_path), "cache_dir": tmp_path / "cache"})


@pytest.fixture
def stub_platform(stub_settings: Settings) -> Iterator[Platform]:
    """A platform with the stub models and without faults."""
    found = Platform(stub_settings)
    yield found
    found.database.close()
    found.claims.close()


@pytest.fixture
def files() -> Files:
    """Two pictures, a text, a recording, and a file that is rejected."""
    return {
        "one.jpg": picture(0, 48),
        "two.jpg": picture(1, 64),
        "note.txt": b"The market is full of pumpkins in autumn.",
        "deeper/clip.wav": sound(0.5),
        "page.jpg": b"<html><script>alert(1)</script></html>",
    }


@pytest.fixture
def drop(bucket: Bucket) -> Callable[[str, Files], None]:
    """A function that uploads files to the inbox of a project."""

    def put(project: str, files: Files) -> None:
        for name, data in files.items():
            bucket.put(f"inbox/{project}/{name}", data)

    return put


def picture(number: int, side: int) -> bytes:
    """Make a small picture that differs by number."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(sorted(SAMPLES.glob("*.jpg"))[number % 5]) as image:
        small = image.convert("RGB").resize((side, side))
    small.putpixel((number % side, number // side), (255, 0, number % 256))
    small.save(out, "PNG")
    return out.getvalue()


def sound(seconds: float) -> bytes:
    """Make a recording of noise, 16 kHz mono."""
    out = io.BytesIO()
    with wave.open(out, "wb") as written:
        written.setparams((1, 2, 16_000, 0, "NONE", ""))
        written.writeframes(bytes(range(256)) * int(seconds * 16_000 * 2 / 256))
    return out.getvalue()


def run_process(processes: ForkServerContext, target: Callable[..., None], *arguments: object) -> int | None:
    """Call a function in a process of its own; return the exit code, negative for the signal that ended it."""
    process = processes.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode
