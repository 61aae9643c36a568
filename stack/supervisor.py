"""The supervisor of the embedded stack: restart parts that died or hang, with backoff, and bound their logs."""

import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL

from stack.hang_watch import HangWatch
from stack.parts import Part, dependencies_answer, ensure_started, local_parts, open_home, responds
from stack.processes import running_process, stop_process, truncate_log

_CHECK_SECONDS = 0.3
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_SETTLED_SECONDS = 10.0
"""A part that ran this long is restarted without a pause."""
_LOG_BYTES = 20 * 2**20
"""A log that has grown larger becomes NAME.log.1, in place of the one before."""


def supervise(path: Path, part: Part) -> None:
    """Restart the part whenever it dies or hangs; never returns."""
    pause, since = 0.0, time.monotonic()
    watch = HangWatch(lambda: responds(open_home(path), part))
    while True:
        time.sleep(_CHECK_SECONDS)
        truncate_log(path, part.name, _LOG_BYTES)
        if running_process(path, part.name) is not None:
            if time.monotonic() - since > _SETTLED_SECONDS:
                pause = 0.0
            if watch.is_hung():
                _log(f"{part.name} has not answered for {watch.silent_seconds:.0f} s: it is ended")
                stop_process(path, part.name, SIGKILL)
            continue
        try:
            home = open_home(path)
            if not dependencies_answer(home, part):
                continue
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2 or _FIRST_PAUSE_SECONDS)
            _log(f"{part.name} has ended: it is started again")
            ensure_started(home, part, lambda _sentence: None)
        except Exception as error:
            # Any error: the supervisor must go on, since nothing else restarts the part.
            _log(f"{part.name} did not start: {type(error).__name__}: {error}")
        since = time.monotonic()
        watch.reset()


def main() -> None:
    """Supervise every part of the home, each in its own thread."""
    path = Path(sys.argv[1])
    threads = [threading.Thread(target=supervise, args=(path, part), daemon=True) for part in local_parts(path)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _log(sentence: str) -> None:
    sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
