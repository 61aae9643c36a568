"""A chaos run: mixed runs on two slots while processes, server and worker are killed, and the checks afterwards.

`tests/workers/test_chaos.py` runs a short one, `benchmarks/warm/chaos.py` two hundred runs. What is done is drawn
from a seed; when exactly it happens depends on the machine.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.waiting import wait_for
from tests.workers.harness.workers import FINAL, Pool, Worker, lines, running_worker

KINDS = {
    "complete": ("COMPLETED", 10),
    "fail": ("FAILED", 2),
    "exit": ("CRASHED", 1),
    "kill": ("CRASHED", 1),
    "segv": ("CRASHED", 1),
    "hog": ("CRASHED", 1),
    "suspend": ("COMPLETED", 2),
    "cancel": ("CANCELLED", 3),
}
"""What a run does, its expected final state, and its weight in the random choice."""
LIMIT_MEGABYTES = 450
OPTIONS = {
    "slots": "cpu:2",
    "memory_megabytes": str(LIMIT_MEGABYTES),
    "drain_seconds": "20",
    "cancel_grace_seconds": "10",
    "report": "models_for_tests:loaded",
    "model_parameters": "model",
    "artifact_seconds": "1",
}
_WORKER_ENDED = "ended while process"
"""Part of the message of runs that crashed with a killed worker."""


@dataclass
class Chaos:
    """One chaos run: its flow runs by kind, and the processes that were seen."""

    pool: Pool
    folder: Path
    runs: int
    seed: int
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    pids: set[int] = field(default_factory=set[int])
    worker: Worker | None = None

    def __post_init__(self) -> None:
        self.chances = random.Random(self.seed)
        self.journal = self.folder / "journal"
        self.folder.mkdir(parents=True, exist_ok=True)

    def go(self, seconds: float) -> dict[str, Any]:
        """Start the runs, disturb them, wait for their end and check it. Returns a summary."""
        began = time.monotonic()
        with ExitStack() as kept:
            self.worker = kept.enter_context(running_worker(self.pool, self.folder / "worker", **OPTIONS))
            self._start_runs()
            over = threading.Event()
            canceller = threading.Thread(target=self._cancel_and_resume, args=(over,))
            canceller.start()
            try:
                self._wait_until_left(self.runs * 2 // 3, seconds)
                self._restart_server()
                self._wait_until_left(self.runs // 3, seconds)
                os.kill(self.worker.process.pid, signal.SIGKILL)
                self.worker.process.wait()
                self.worker = kept.enter_context(running_worker(self.pool, self.folder / "worker", **OPTIONS))
                self._wait_until_left(0, seconds)
            finally:
                over.set()
                canceller.join()
            self._check_slots()
        self._check_runs()
        self._check_nobody_is_left()
        states = Counter(self.pool.state(run) for run in self.kinds)
        return {"seconds": round(time.monotonic() - began), "kinds": Counter(self.kinds.values()), "states": states}

    def _start_runs(self) -> None:
        names, weights = list(KINDS), [weight for _, weight in KINDS.values()]
        # Each kind at least once, however few runs there are.
        drawn = names + self.chances.choices(names, weights, k=self.runs - len(names))
        self.chances.shuffle(drawn)
        for number, kind in enumerate(drawn):
            seconds = 30.0 if kind == "cancel" else round(self.chances.uniform(0.0, 0.6), 2)
            model = self.chances.choice(["red", "green", "blue"])
            parameters = {"path": self.journal, "kind": kind, "seconds": seconds, "model": model}
            run = self.pool.start("chaotic", tags=(f"user:{number % 3}",), **parameters)
            self.kinds[run] = kind

    def _cancel_and_resume(self, over: threading.Event) -> None:
        """Act as people do: cancel runs at any moment, and resume suspended ones."""
        chances = random.Random(self.seed + 1)
        due = {
            run: time.monotonic() + chances.uniform(0.0, 0.3 * self.runs)
            for run, kind in self.kinds.items()
            if kind == "cancel"
        }
        while not over.wait(0.2):
            self._note_processes()
            with suppress(httpx.HTTPError):  # the server is away: people try again
                states = self._states()
                begun = {line.split()[1] for line in lines(self.journal)}
                for run in [run for run, at in due.items() if run in begun or at < time.monotonic()]:
                    if states[run] != "CANCELLING" and states[run] not in FINAL:
                        self.pool.cancel(run)
                    else:
                        del due[run]
                for run in [run for run, state in states.items() if state == "PAUSED"]:
                    self.pool.server.post(f"/flow_runs/{run}/resume")

    def _restart_server(self) -> None:
        self.pool.server.stop()
        time.sleep(self.chances.uniform(0.5, 2.0))
        self.pool.server.start()

    def _states(self) -> dict[str, str]:
        found: dict[str, str] = {}
        runs = list(self.kinds)
        for start in range(0, len(runs), 200):
            wanted = {"id": {"any_": runs[start : start + 200]}}
            answer = self.pool.server.post("/flow_runs/filter", flow_runs=wanted, limit=200)
            found |= {one["id"]: one["state"]["type"] for one in answer}
        return found

    def _wait_until_left(self, count: int, seconds: float) -> None:
        def is_so() -> bool:
            with suppress(httpx.HTTPError):
                return sum(state not in FINAL for state in self._states().values()) <= count
            return False

        wait_for(is_so, seconds, f"all but {count} runs to end; {self.folder} has the worker's log", every=0.5)

    def _note_processes(self) -> None:
        with suppress(psutil.Error):
            if self.worker is not None:
                self.pids.update(one.pid for one in psutil.Process(self.worker.process.pid).children(recursive=True))

    def _check_slots(self) -> None:
        """Two runs at once: no slot was lost on the way."""
        assert self.worker is not None
        wait_for(self.worker.ready, 60, "both processes to be ready")
        last = [self.pool.start("sleep", path=self.folder / f"last{number}", seconds=4) for number in range(2)]
        wait_for(lambda: all((self.folder / f"last{number}").exists() for number in range(2)), 60, "both slots at once")
        assert {self.pool.end(run) for run in last} == {"COMPLETED"}
        self._note_processes()

    def _check_runs(self) -> None:
        begins = Counter(line.split()[1] for line in lines(self.journal))
        wrong: list[str] = []
        for run, kind in self.kinds.items():
            state, message = self.pool.state(run), self.pool.message(run)
            taken_along = state == "CRASHED" and _WORKER_ENDED in message and kind != "cancel"
            if state != KINDS[kind][0] and not taken_along:
                wrong.append(f"{kind} {run} is {state}: {message}")
            # A suspended run begins again when it resumes; all others begin at most once, so never twice at once.
            if begins[run] > (2 if kind == "suspend" else 1):
                wrong.append(f"{kind} {run} began {begins[run]} times")
            if kind == "hog" and not taken_along and "memory_megabytes" not in message:
                wrong.append(f"{run} took what it wanted: {message}")
        assert not wrong, "\n".join(wrong)
        assert len(begins.keys() - self.kinds.keys()) == 0

    def _check_nobody_is_left(self) -> None:
        told = {int(line.split()[2]) for line in lines(self.journal)}
        left = [pid for pid in self.pids | told if psutil.pid_exists(pid) and _is_ours(pid)]
        assert left == [], "processes outlived the worker"


def _is_ours(pid: int) -> bool:
    with suppress(psutil.Error):
        return "workers.child" in psutil.Process(pid).cmdline()
    return False
