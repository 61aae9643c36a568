"""Kill random processes of a stack, or stop a whole part so that it hangs, every few seconds."""

import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import psutil

from stack.processes import running_process
from stack.servers import gateway, postgres, seaweed, workers
from stack.servers import prefect as prefect_server

PARTS = (prefect_server.SERVER, seaweed.NAME, postgres.NAME, gateway.NAME, *workers.WORKERS)


@dataclass
class Killer:
    """Kills a random process until `stop` is set; one time in `hang_one_in` it stops a part by SIGSTOP instead.

    One part hangs at a time, and nobody but the supervisor ends it.
    """

    home: Path
    chance: random.Random
    pause: tuple[float, float]
    hang_one_in: int
    stop: Event = field(default_factory=Event)
    kills: Counter[str] = field(default_factory=Counter)
    hangs: Counter[str] = field(default_factory=Counter)
    hung: psutil.Process | None = None

    def run(self) -> None:
        while not self.stop.wait(self.chance.uniform(*self.pause)):
            hangs = self.chance.randrange(self.hang_one_in) == 0
            number = self.chance.randrange(2**32)
            with suppress(psutil.Error):
                if hangs and not self.is_hung():
                    self._hang(number)
                else:
                    self._kill(number)

    def is_hung(self) -> bool:
        """Whether the part that was stopped last is still there."""
        return self.hung is not None and self.hung.is_running() and self.hung.status() == psutil.STATUS_STOPPED

    def _kill(self, number: int) -> None:
        victims = [found for found in self._victims() if not (self.is_hung() and found[1] == self.hung)]
        if victims:
            kind, process = victims[number % len(victims)]
            process.kill()
            self.kills[kind] += 1

    def _hang(self, number: int) -> None:
        parts = [(name, process) for name in PARTS if (process := running_process(self.home, name))]
        if parts:
            name, self.hung = parts[number % len(parts)]
            self.hung.send_signal(signal.SIGSTOP)
            self.hangs[name] += 1

    def _victims(self) -> Iterator[tuple[str, psutil.Process]]:
        """The parts and the child processes that run flows, with equal probability."""
        for name in PARTS:
            process = running_process(self.home, name)
            if process is None:
                continue
            yield name, process
            if name in workers.WORKERS:
                with suppress(psutil.Error):
                    children = [one for one in process.children(recursive=True) if "workers.child" in one.cmdline()]
                    yield from ((f"process of {name}", child) for child in children)
