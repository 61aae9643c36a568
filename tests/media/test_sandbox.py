"""Untrusted files are read in a process without privileges, within limits of time and memory."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from media.decoder_process import DecoderProcess
from media.errors import DecoderFailed, UnreadableMedia, UnsupportedMedia
from media.facts import CAPS
from media.identify import identify
from media.sandbox import Decoders, Limits

REFUSALS = (UnreadableMedia, UnsupportedMedia)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    found = Decoders(count=1)
    yield found
    found.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.effect_noise((320, 240), 80).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def decoder_process(decoders: Decoders) -> psutil.Process:
    [found] = [
        child
        for child in psutil.Process().children()
        if "media.decoder" in child.cmdline() and child.pid in decoders.pids()
    ]
    return found


def outcome(decoder: "type[Decoders] | object", path: Path) -> str:
    try:
        return decoder.identify(path, path.name).model_dump_json()  # type: ignore[attr-defined]
    except REFUSALS as refusal:
        return f"{type(refusal).__name__}: {refusal}"


@pytest.mark.shared_data
def test_the_sandbox_gives_the_same_result_as_this_process_for_every_hostile_file(
    decoders: Decoders, shared_data: Path
) -> None:
    class InProcess:
        identify = staticmethod(identify)

    files = sorted((shared_data / "hostile").iterdir())
    assert len(files) > 20
    for path in files:
        found = outcome(decoders, path)
        assert found == outcome(InProcess(), path), path.name
        assert found.startswith("{") or found.endswith("."), found


def test_one_warm_process_reads_many_files(decoders: Decoders, photo: Path) -> None:
    decoders.identify(photo, "photo.jpg")
    first = decoder_process(decoders).pid
    assert decoders.identify(photo, "a/b/../photo.jpg").name == "photo.jpg"
    assert decoder_process(decoders).pid == first


def test_a_killed_process_is_replaced_and_the_file_is_read(decoders: Decoders, photo: Path) -> None:
    decoders.identify(photo, "photo.jpg")
    decoder_process(decoders).kill()
    assert decoders.identify(photo, "photo.jpg").kind == "image"


def test_a_file_that_exceeds_the_cpu_limit_is_refused_with_a_reason(tmp_path: Path, photo: Path) -> None:
    Image.new("L", (7000, 7000)).save(tmp_path / "large.png")
    slow = Decoders(Limits(cpu_seconds=0, cpu_seconds_per_megabyte=0, timeout_factor=60), count=1)
    fast = Limits().cpu_for(1000)
    try:
        slow.identify(photo, "photo.jpg")
        process = decoder_process(slow)
        process.suspend()  # as if it hung
        impatient = threading.Timer(0.5, lambda: os.kill(process.pid, signal.SIGXCPU))
        impatient.start()
        threading.Timer(1.0, process.resume).start()
        with pytest.raises(UnsupportedMedia, match="takes longer than"):
            slow.identify(photo, "photo.jpg")
        assert slow.identify(photo, "photo.jpg").kind == "image"
    finally:
        slow.close()
    assert fast == 31


def test_a_process_that_gets_no_processor_time_is_killed_and_says_nothing_about_the_file(photo: Path) -> None:
    hurried = Decoders(Limits(cpu_seconds=0, cpu_seconds_per_megabyte=0, timeout_factor=2), count=1)
    try:
        hurried.identify(photo, "photo.jpg")
        hanging = decoder_process(hurried)
        hanging.suspend()
        began = time.monotonic()
        with pytest.raises(DecoderFailed, match="hardly any processor time") as stalled:
            hurried.identify(photo, "photo.jpg")
        assert stalled.value.retryable, "the file waits"
        assert time.monotonic() - began < 30
        assert not hanging.is_running()
    finally:
        hurried.close()


def test_a_file_that_the_process_cannot_open_is_not_called_broken() -> None:
    process = DecoderProcess(sys.executable, Limits().memory_bytes)
    request = {"task": "identify", "path": __file__, "name": "a.wav", "caps": CAPS.model_dump(), "cpu_seconds": 10}
    try:
        with pytest.raises(DecoderFailed, match="cannot open it"):
            process.send(request, 60)
    finally:
        process.end()


def test_a_file_that_exceeds_the_memory_limit_is_refused_and_the_process_survives(tmp_path: Path, photo: Path) -> None:
    Image.new("RGB", (7000, 7000)).save(tmp_path / "large.png")
    small = Decoders(Limits(memory_bytes=60_000_000), count=1)
    try:
        small.identify(photo, "photo.jpg")
        before = decoder_process(small).pid
        with pytest.raises(REFUSALS, match=r"memory|decoded"):
            small.identify(tmp_path / "large.png", "large.png")
        assert small.identify(photo, "photo.jpg").kind == "image"
        assert decoder_process(small).pid == before
    finally:
        small.close()


def test_the_process_has_no_secret_and_dies_with_its_parent(tmp_path: Path, photo: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from media.sandbox import Decoders\n"
        "d = Decoders(count=1); d.identify(Path(sys.argv[1]), 'x')\n"
        "print(*d.pids(), flush=True); time.sleep(60)"
    )
    secret = {"TRIPTYCH_S3_SECRET_KEY": "very secret", "PREFECT_API_AUTH_STRING": "very secret"}
    parent = subprocess.Popen([sys.executable, "-c", code, photo], env=os.environ | secret, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    decoder = psutil.Process(int(parent.stdout.readline()))
    assert "very secret" not in " ".join(decoder.environ().values())
    parent.kill()
    parent.wait()
    decoder.wait(10)


def attempt_without_privileges(attempt: str) -> str:
    """Run a statement after dropping privileges; return the name of its exception, or `done`."""
    code = f"""
from media.confinement.privileges import drop_privileges
import os, socket, ctypes, subprocess, tempfile
PRECIOUS = tempfile.mkstemp()[1]
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), "refused")
drop_privileges(200_000_000, [])
try:
    {attempt}
except BaseException as error:
    print(type(error).__name__, flush=True)
else:
    print("done", flush=True)
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def has_landlock() -> bool:
    import ctypes

    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) >= 4


@pytest.mark.skipif(not sys.platform.startswith("linux") or not has_landlock(), reason="a kernel without Landlock")
@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/passwd')",
        "open('/proc/1/environ')",
        "socket.create_connection(('127.0.0.1', 9), 1)",
        "open('/tmp/triptych-escape', 'w')",
        "os.truncate(PRECIOUS, 0)",
        "os.open(PRECIOUS, os.O_WRONLY)",
        "os.unlink(PRECIOUS)",
        "os.rename(PRECIOUS, PRECIOUS + '2')",
        "os.link(PRECIOUS, PRECIOUS + '2')",
        "os.mkdir(PRECIOUS + '.folder')",
        "os.listdir('/home')",
        "os.kill(os.getppid(), 0)",
        "os.kill(os.getppid(), 9)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socket(socket.AF_INET6)",
        "os.execv('/bin/true', ['true'])",
        "subprocess.run(['/bin/true'], check=True)",
        "call(101, 16, os.getppid(), 0, 0)",  # ptrace: attach
        "call(310, os.getppid(), 0, 0, 0, 0, 0)",  # process_vm_readv
        "call(272, 0x10000000)",  # unshare: a new user namespace
        "call(425, 1, 0)",  # io_uring_setup
        "call(0x40000000 + 41, 2, 1, 0)",  # socket by the x32 ABI
    ],
)
def test_a_process_without_privileges_has_no_access_to_files_and_network(attempt: str) -> None:
    assert attempt_without_privileges(attempt) == "PermissionError"


def test_a_process_without_privileges_gets_no_more_memory() -> None:
    assert attempt_without_privileges("bytearray(300_000_000)") == "MemoryError"
    assert attempt_without_privileges("bytearray(100_000_000)") == "done"
