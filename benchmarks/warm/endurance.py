"""Endurance of a warm process: memory, model loads and fairness over many runs.

    .venv/bin/python -m benchmarks.warm.endurance --runs 500 --mix 200 --batch 1000

Starts a Postgres, a Prefect server and workers of its own, and stops them. The models are 40 MB of memory each in
a real pool, into which two of three fit; loads are counted.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tests.waiting import wait_for
from tests.workers.harness.server import Server, own_server
from tests.workers.harness.workers import Pool, Worker, lines, running_worker

FIRST, OF_ONE_MODEL = 50, 100
MODELS = ("red", "green", "blue")
_SECONDS = 1200.0


def main() -> None:
    """Measure one after the other, print each result, and one table at the end."""
    parser = argparse.ArgumentParser(description="Memory, loads and fairness of a warm process over many runs.")
    parser.add_argument("--runs", type=int, default=500, help="runs of one process, more than 100")
    parser.add_argument("--mix", type=int, default=200, help="runs of three models of which two fit")
    parser.add_argument("--batch", type=int, default=1000, help="runs that one run of another person waits behind")
    options = parser.parse_args()
    table = Table("what", "measured", "wanted")
    with tempfile.TemporaryDirectory(prefix="triptych-bench-") as folder, own_server(Path(folder)) as server:
        home = Path(folder)
        _endurance(table, server, home / "endurance", options.runs)
        ours = _mix(server, home / "ours", options.mix, {"patience_seconds": "10"})
        theirs = _mix(server, home / "theirs", options.mix, {"patience_seconds": "0", "model_parameters": ""})
        _report(table, f"loads for {options.mix} runs of 3 models, 2 fit", f"{ours} ({theirs} in order)", "≤ a third")
        _fairness(table, server, home / "fairness", options.batch)
    Console().print(table)


def _endurance(table: Table, server: Server, home: Path, runs: int) -> None:
    """Measure the resident memory of one process and the loads of one model over consecutive runs."""
    log = home / "log"
    with _worker(server, home, {}) as (pool, worker):
        memory = dict[int, int]()
        done = 0
        for part in (FIRST, OF_ONE_MODEL, runs):
            for _ in range(part - done):
                pool.start("with_pooled_model", path=log, model="red")
            wait_for(lambda part=part: len(lines(log)) >= part, _SECONDS, f"{part} runs", every=0.5)
            done = part
            # A run writes its line before its end is reported.
            wait_for(lambda: worker.status().slots[0].flow_run_id is None, 60, "the last run to be over", every=0.5)
            memory[part] = statistics.median_high([_resident(worker) for _ in range(5)])
            if part == OF_ONE_MODEL:
                _report(table, f"loads of a model for {part} runs", lines(log)[-1].split()[3], "1")
    growth = memory[runs] / memory[FIRST] - 1
    numbers = f"{memory[FIRST] / 1e6:.1f} → {memory[runs] / 1e6:.1f} MB ({growth:+.1%})"
    _report(table, f"memory of a process after {FIRST} → {runs} runs", numbers, "within 10 %")


def _mix(server: Server, home: Path, runs: int, options: dict[str, str]) -> int:
    """The number of model loads for a random mix of runs that are all queued at the start."""
    chances = random.Random(4)
    log = home / "log"
    pool = Pool(server)
    for _ in range(runs):
        pool.start("with_pooled_model", path=log, model=chances.choice(MODELS))
    with _worker(server, home, options, pool):
        wait_for(lambda: len(lines(log)) >= runs, _SECONDS, f"{runs} runs", every=0.5)
    return int(lines(log)[-1].split()[3])


def _fairness(table: Table, server: Server, home: Path, runs: int) -> None:
    """Measure how long a run of one person waits behind a batch of another, and how many runs overtake it."""
    pool = Pool(server)
    for _ in range(runs):
        pool.start("with_pooled_model", tags=("user:ada",), path=home / "ada", model="red")
    with _worker(server, home, {}, pool):
        wait_for(lambda: len(lines(home / "ada")) >= 5, _SECONDS, "the batch to be under way")
        before, began = len(lines(home / "ada")), time.time()
        pool.start("with_pooled_model", tags=("user:bob",), path=home / "bob", model="red")
        wait_for(lambda: bool(lines(home / "bob")), _SECONDS, "the image")
        waited = float(lines(home / "bob")[0].split()[0]) - began
        passed = len(lines(home / "ada")) - before
    _report(table, f"wait behind a batch of {runs} of another person", f"{waited:.1f} s, {passed} runs first", "few")


def _report(table: Table, *row: str) -> None:
    table.add_row(*row)
    print(*row, sep=": ", flush=True)


@contextmanager
def _worker(
    server: Server, home: Path, options: dict[str, str], pool: Pool | None = None
) -> Generator[tuple[Pool, Worker]]:
    pool = pool or Pool(server)
    home.mkdir(parents=True, exist_ok=True)
    known = {"report": "pooled_for_tests:loaded", "model_parameters": "model"}
    with running_worker(pool, home / "worker", **{**known, **options}) as worker:
        yield pool, worker


def _resident(worker: Worker) -> int:
    time.sleep(0.2)
    return int(psutil.Process(worker.status().slots[0].pid).memory_info().rss)


if __name__ == "__main__":
    main()
