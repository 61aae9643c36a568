"""Chaos test: ingest files while processes of the stack are killed or hang, then check that nothing is lost or doubled.

    python -m benchmarks.chaos --minutes 20 --files 500 --seed 1

The same seed gives the same files, arrival times, kills and hangs (SIGSTOP, which the supervisor must notice). Exits
with 1 when a promise of docs/promises.md is broken.
"""

import argparse
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import yaml

from benchmarks.chaos.check import breaches, count_model_calls
from benchmarks.chaos.clients import Clients
from benchmarks.chaos.counted import CALLS
from benchmarks.chaos.files import File, arrivals, make_files
from benchmarks.faults.killer import Killer
from flows.running.platform import Platform
from flows.running.settings import ROOT, load_settings
from stack import lifecycle

_COUNTED = {
    "starter-pictures": "benchmarks.chaos.counted:CountedClip",
    "starter-e5": "benchmarks.chaos.counted:CountedEncoder",
    "whisper-base": "benchmarks.chaos.counted:CountedWhisper",
}


@contextmanager
def running_stack(folder: Path) -> Generator[Platform]:
    """A stack of its own, whose models log their calls."""
    catalogue = yaml.safe_load((ROOT / "configs" / "models.yaml").read_text(encoding="utf-8"))
    for name, operator in _COUNTED.items():
        catalogue["models"][name]["operator"] = operator
    (folder / "models.yaml").write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    os.environ |= {
        "TRIPTYCH_MODELS_CONFIG": str(folder / "models.yaml"),
        CALLS: str(folder / "calls"),
        "PYTHONPATH": str(ROOT),
        "TRIPTYCH_PATIENCE_SECONDS": "120",
    }
    try:
        lifecycle.up(folder / "home")
        yield Platform(load_settings(folder / "home"))
    finally:
        lifecycle.down(folder / "home")


def chaos(
    platform: Platform, files: list[File], seconds: float, seed: int, killer: Killer, settle_seconds: float
) -> Clients:
    """Ingest files and kill processes for so many seconds, then wait until all runs have ended."""
    clients = Clients(platform)
    thread = Thread(target=killer.run)
    started = time.monotonic()
    thread.start()
    try:
        for due, file in arrivals(files, seconds * 0.7, seed):
            while (wait := started + due - time.monotonic()) > 0:
                clients.start_inbox_run()
                time.sleep(min(wait, 0.5))
            clients.drop(file)
        while time.monotonic() < started + seconds:
            clients.start_inbox_run()
            time.sleep(0.5)
    finally:
        killer.stop.set()
        thread.join()
    deadline = time.monotonic() + settle_seconds
    # The supervisor has a minute and a half to notice that a part hangs.
    while (killer.is_hung() or not clients.is_settled()) and time.monotonic() < deadline:
        clients.start_inbox_run()
        time.sleep(1)
    return clients


def main() -> int:
    """Run the test, print a report, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, nargs=2, default=(2.0, 6.0), metavar=("LEAST", "MOST"), help="seconds")
    parser.add_argument("--hang", type=int, default=25, metavar="N", help="One kill in N is a hang.")
    parser.add_argument("--settle", type=float, default=420, help="How many seconds all may take after the last kill.")
    parser.add_argument("--folder", type=Path, help="Where to work and leave everything; a temporary folder otherwise.")
    given = parser.parse_args()
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # a killed server does not answer: expected here
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        files = make_files(given.files, given.seed)
        with running_stack(folder) as platform:
            killer = Killer(folder / "home", random.Random(given.seed), tuple(given.every), given.hang)
            began = time.monotonic()
            clients = chaos(platform, files, given.minutes * 60, given.seed, killer, given.settle)
            took = time.monotonic() - began
            stuck = [f"the run {run['name']} is {run['state_name']}" for run in clients.unfinished_runs()]
            stuck += ["a part hangs"] if killer.is_hung() else []
            wrong = [*stuck, *breaches(platform, files, killer.kills.total() + killer.hangs.total(), folder / "calls")]
            begun, redone = count_model_calls(folder / "calls")
            sys.stdout.write(
                f"{len(files)} files, {killer.kills.total()} kills {dict(killer.kills)}, {killer.hangs.total()} hangs "
                f"{dict(killer.hangs)} in {given.minutes:g} min, "
                f"settled {took - given.minutes * 60:.0f} s later\n"
                f"model calls: {begun}, of which {redone} again\n"
                f"runs: {dict(clients.ended())}\n" + "".join(f"BREACH: {one}\n" for one in wrong[:50])
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
