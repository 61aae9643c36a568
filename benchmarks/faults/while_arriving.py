"""Faults while files arrive: no good file in quarantine, none lost, all taken in within a minute after each fault.

    python -m benchmarks.faults.while_arriving --files 200
    python -m benchmarks.faults.while_arriving --only clock      with libfaketime (Debian: faketime)

Each fault lasts for so many seconds, while its share of the files arrives in the inbox of a stack with stub models;
then the time is measured until the inbox is empty, from when S3 takes writes again. The stack's folder is a file system
of its own (tmpfs, so root is needed), which the fault `disk` fills. Exits with 1 when a file is lost, doubled or
wrongly refused, or came late.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import psutil

from benchmarks.chaos.check import indexed, refused, stored
from benchmarks.chaos.clients import Clients
from benchmarks.chaos.files import File, make_files
from flows.running.platform import Platform
from flows.running.settings import ROOT, load_settings
from stack import lifecycle
from stack.processes import free_ports, running_process, stop_process
from stack.servers import postgres, seaweed, workers
from storage.errors import StorageError
from tests.faults.stub_models import write_catalogue
from tests.modalities.models.hub.local_hub import LocalHub, serve

_FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
_SIZE_MB = 1500
_REPOSITORY, _FILES = "triptych/stub", {"none.txt": b"no weights\n"}
_LATE_SECONDS = 60.0
_GIVEN_UP_SECONDS = 400.0


class Faults:
    """The faults of one stack, each a context manager that ends it."""

    def __init__(self, folder: Path, hub_port: int, kept: ExitStack) -> None:
        self._folder, self._home, self._hub_port, self._kept = folder, folder / "home", hub_port, kept

    @contextmanager
    def hub(self) -> Generator[None]:
        """The model hub does not answer; it has the weights of the model of speech, which nothing has loaded yet."""
        yield
        self.start_hub()

    def start_hub(self) -> None:
        """Start the model hub, which is not there at first."""
        hub = LocalHub()
        hub.publish(_REPOSITORY, _FILES)
        self._kept.enter_context(serve(hub, self._hub_port))

    @contextmanager
    def weights(self) -> Generator[None]:
        """The weights of the embedding model are gone, and the processes that have it loaded."""
        folder = self._folder / "weights"
        folder.rename(self._folder / "gone")
        self._kill(workers.WORKERS, "workers.child")
        yield
        (self._folder / "gone").rename(folder)

    @contextmanager
    def decoder(self) -> Generator[None]:
        """The decoders' executable is missing; those that run are killed."""
        python = Path(sys.executable)
        python.rename(python.with_name("gone"))
        self._kill(workers.WORKERS, "media.decoder")
        yield
        python.with_name("gone").rename(python)

    @contextmanager
    def disk(self) -> Generator[None]:
        """The file system of servers, logs and temporary files is full."""
        ballast = self._home / "ballast"
        with suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(bytes(2**20))
                file.flush()
        yield
        ballast.unlink()

    @contextmanager
    def s3(self) -> Generator[None]:
        """The S3 server is away, and nobody starts it."""
        stop_process(self._home, lifecycle.SUPERVISOR, alone=True)
        process = running_process(self._home, seaweed.NAME)
        if process:
            process.kill()
        yield
        lifecycle.up(self._home)

    @contextmanager
    def postgres(self) -> Generator[None]:
        """Postgres is restarted by the supervisor."""
        stop_process(self._home, postgres.NAME, postgres.STOP_SIGNAL)
        yield

    @contextmanager
    def clock(self) -> Generator[None]:
        """The clock of Prefect, workers, supervisor and gateway is an hour ahead, and then right again."""
        (self._folder / "clock").write_text("+3600", encoding="ascii")
        yield
        (self._folder / "clock").write_text("+0", encoding="ascii")

    def _kill(self, names: Iterable[str], module: str) -> None:
        for name in names:
            worker = running_process(self._home, name)
            for process in worker.children(recursive=True) if worker else []:
                with suppress(psutil.Error):
                    if any(module in word for word in process.cmdline()):
                        process.kill()


def _catalogue(folder: Path) -> Path:
    path = write_catalogue(folder)
    document = json.loads(path.read_text(encoding="utf-8"))
    speech = document["models"]["stub-transcriber"]
    commit = LocalHub().publish(_REPOSITORY, _FILES)
    speech["source"] = {"hub": _REPOSITORY, "revision": commit, "files": ["*.txt"]}
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@contextmanager
def _stack(folder: Path, hub_port: int, with_clock: bool) -> Generator[Platform]:
    home = folder / "home"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE_MB}m,mode=755", "tmpfs", str(home)], check=True)
    (home / "tmp").mkdir(mode=0o1777)
    (home / "tmp").chmod(0o1777)
    (folder / "clock").write_text("+0", encoding="ascii")
    os.environ |= {
        "TRIPTYCH_MODELS_CONFIG": str(_catalogue(folder)),
        "TRIPTYCH_CACHE_DIR": str(folder / "cache"),
        "HF_ENDPOINT": f"http://127.0.0.1:{hub_port}",
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(home / "tmp"),
    }
    if with_clock:
        # S3 and Postgres keep the right time: libfaketime does not reach programs in Go, and those of another user.
        lifecycle.up(home, storage_only=True)
        os.environ |= {
            "LD_PRELOAD": _FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_CACHE_DURATION": "1",
            "WHILE_ARRIVING_CLOCK_OFFSET": str(time.time() - time.monotonic()),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks' / 'faults' / 'clock'}",
        }
    try:
        lifecycle.up(home)
        os.environ.pop("LD_PRELOAD", None)
        yield Platform(load_settings(home))
    finally:
        lifecycle.down(home)
        subprocess.run(["umount", "--lazy", str(home)], check=False)


def _drop(platform: Platform, clients: Clients, files: Sequence[File], seconds: float) -> list[File]:
    """Put files into the inbox over so many seconds; return those that could not be, while S3 was away or full."""
    refused_by_s3: list[File] = []
    began = time.monotonic()
    for number, file in enumerate(files, start=1):
        clients.start_inbox_run()
        try:
            if time.monotonic() - began > seconds:
                raise StorageError("It is too late.")
            platform.bucket.put(f"inbox/default/{file.name}", file.data)
        except StorageError:
            refused_by_s3.append(file)
        time.sleep(max(0.0, began + seconds * number / len(files) - time.monotonic()))
    return refused_by_s3


def _seconds_until_s3_writes(platform: Platform) -> float:
    """After a full disk SeaweedFS writes again once it has looked, which it does each minute."""
    began = time.monotonic()
    while True:
        try:
            platform.bucket.put("tmp/probe", b"probe")
        except StorageError:
            if time.monotonic() > began + _GIVEN_UP_SECONDS:
                raise
        else:
            return time.monotonic() - began


def _seconds_until_taken_in(clients: Clients) -> float:
    began = time.monotonic()
    while not clients.is_settled() and time.monotonic() < began + _GIVEN_UP_SECONDS:
        clients.start_inbox_run()
        time.sleep(0.5)
    return time.monotonic() - began


def _run_in_own_environment(folder: Path) -> NoReturn:
    """Run this program again with an interpreter of its own, which the fault `decoder` takes away."""
    own = folder / "venv"
    # Hard links: decoders may read their own environment and nothing beside it.
    subprocess.run(["cp", "--archive", "--link", sys.prefix, str(own)], check=True)
    python = str(own / "bin" / "python")
    os.execv(python, [python, "-m", "benchmarks.faults.while_arriving", *sys.argv[1:], "--folder", str(folder)])


def main() -> int:
    """Run the faults one after the other, report, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60, help="How long each fault lasts.")
    parser.add_argument("--only", nargs="+", default=["hub", "weights", "decoder", "disk", "s3", "postgres"])
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder: Path | None = given.folder
    if folder is None:
        _run_in_own_environment(Path(tempfile.mkdtemp(prefix="faults-")))
    folder.chmod(0o755)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # servers that do not answer are expected here
    files = make_files(given.files, 1)
    wrong: list[str] = []
    [hub_port] = free_ports(1)
    with _stack(folder, hub_port, "clock" in given.only) as platform, ExitStack() as kept:
        faults, clients = Faults(folder, hub_port, kept), Clients(platform)
        if "hub" not in given.only:
            faults.start_hub()
        for number, name in enumerate(given.only):
            fault: Callable[[], AbstractContextManager[None]] = getattr(faults, name)
            with fault():
                later = _drop(platform, clients, files[number :: len(given.only)], given.seconds)
            refusing = _seconds_until_s3_writes(platform)
            for file in later:
                platform.bucket.put(f"inbox/default/{file.name}", file.data)
            took = _seconds_until_taken_in(clients)
            sys.stdout.write(
                f"{name}: {took:.0f} s after its end all was taken in; before, S3 refused writes for {refusing:.0f} s\n"
            )
            sys.stdout.flush()
            wrong += [f"{name}: {took:.0f} s until all was taken in"] if took > _LATE_SECONDS else []
        space = platform.space("default")
        left = [found.key for found in platform.bucket.objects("inbox/")]
        wrong += [f"{len(left)} files are left in the inbox, the first is {left[0]}"] if left else []
        wrong += stored(space, [file for file in files if file.is_good])
        wrong += refused(space, [file for file in files if not file.is_good])
        wrong += indexed(space)
        waiting = {each.reason for each in platform.waiting.of_project()}
        wrong += [f"files wait: {reason}" for reason in waiting]
    sys.stdout.write("".join(f"BREACH: {one}\n" for one in wrong[:50]) or f"{len(files)} files: nothing is wrong\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
