"""The supervisor of the embedded stack: restart parts that died or hang, with backoff, and bound their logs."""

import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL

from flows.running.prefect_api import api_of
from flows.running.settings import load_settings
from stack.clock_watch import ClockWatch, renew_plans
from stack.disk_watch import DiskWatch
from stack.hang_watch import HangWatch
from stack.parts import PARTS, Part, dependencies_answer, ensure_started, local_parts, open_home, responds
from stack.processes import running_process, stop_process, truncate_log
from stack.servers import prefect, seaweed

_CHECK_SECONDS = 0.3
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 10.0
"""Pauses between the end of one start and the next. Postgres, Prefect and workers start one after the other, so that a
stack comes back within a minute after a full disk only if no pause is long."""
_SETTLED_SECONDS = 10.0
"""A part that ran this long is restarted without a pause."""
_STEP_SECONDS = 30.0
"""A clock that was set back by less delays runs by no more than that."""
_LOG_BYTES = 20 * 2**20
"""A log that has grown larger becomes NAME.log.1, in place of the one before."""


class Watch:
    """Restarts one part when it dies or hangs."""

    def __init__(self, path: Path, part: Part) -> None:
        self._path, self._part = path, part
        self._pause, self._since = 0.0, time.monotonic()
        self._hangs = HangWatch(lambda: responds(open_home(path), part))

    def check(self) -> None:
        """End the part if it hangs; start it if it has ended and what it needs answers."""
        truncate_log(self._path, self._part.name, _LOG_BYTES)
        if running_process(self._path, self._part.name) is not None:
            if time.monotonic() - self._since > _SETTLED_SECONDS:
                self._pause = 0.0
            if self._hangs.is_hung():
                silent = f"{self._part.name} has not answered for {self._hangs.silent_seconds:.0f} s: it is ended"
                stop_process(self._path, self._part.name, SIGKILL)
                _log(silent)
            return
        home = open_home(self._path)
        # The pause runs while the part waits for what it needs.
        if time.monotonic() - self._since < self._pause or not dependencies_answer(home, self._part):
            return
        self._pause = min(_LONGEST_PAUSE_SECONDS, self._pause * 2 or _FIRST_PAUSE_SECONDS)
        _log(f"{self._part.name} has ended: it is started again")
        try:
            ensure_started(home, self._part, lambda _sentence: None)
        finally:
            self._since = time.monotonic()
            self._hangs.reset()


def supervise(path: Path, part: Part, stop: threading.Event) -> None:
    """Restart the part whenever it dies or hangs, until `stop` is set."""
    watch = Watch(path, part)
    while not stop.wait(_CHECK_SECONDS):
        try:
            watch.check()
        except Exception as error:
            # Any error, such as a full disk: the supervisor must go on, since nothing else restarts the part.
            _log(f"{part.name} did not start: {type(error).__name__}: {error}")


def supervise_clock(path: Path, stop: threading.Event) -> None:
    """Begin Prefect's plans again whenever the clock was set back, until `stop` is set."""
    clock, is_due = ClockWatch(), False
    while not stop.wait(1.0):
        try:
            if (seconds := clock.set_back_seconds()) > _STEP_SECONDS:
                is_due = True
                _log(f"the clock was set back by {seconds:.0f} s: what Prefect has planned is renewed")
                # Its services sleep until a time of day.
                stop_process(path, prefect.SERVER, SIGKILL)  # its orderly end takes twenty seconds
            if is_due and PARTS[prefect.SERVER].answers(settings := load_settings(path)):
                renew_plans(api_of(settings))
                is_due = False
        except Exception as error:  # of any kind: it is tried again
            _log(f"what Prefect has planned is not renewed yet: {type(error).__name__}: {error}")


def supervise_disk(path: Path, stop: threading.Event) -> None:
    """Start the S3 server again when a disk that was full has room again, until `stop` is set."""
    disk = DiskWatch(path)
    while not stop.wait(1.0):
        try:
            if disk.has_room_again():
                _log(f"the disk was full, and has room again: {seaweed.NAME} is started again to take writes at once")
                stop_process(path, seaweed.NAME, SIGKILL)  # its orderly end takes twenty seconds
        except Exception as error:  # of any kind: the next look is in a second
            _log(f"the disk cannot be watched: {type(error).__name__}: {error}")


def main() -> None:
    """Supervise every part of the home, each in its own thread."""
    path = Path(sys.argv[1])
    never = threading.Event()
    threads = [threading.Thread(target=supervise, args=(path, part, never), daemon=True) for part in local_parts(path)]
    others = (supervise_clock, supervise_disk)
    threads += [threading.Thread(target=other, args=(path, never), daemon=True) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _log(sentence: str) -> None:
    with suppress(OSError):  # the disk is full: the supervisor goes on without its log
        sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {sentence}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
