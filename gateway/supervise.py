"""The supervisor of the embedded stack: starts a part again that has died, later and later if it dies at once."""

import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from gateway import stack
from gateway.processes import clean_environment, running_process, start_process

_LOOK_SECONDS = 0.3
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_SETTLED_SECONDS = 10.0
"""A part that has lived so long is started again without a pause."""


def start_supervisor(home: Path, root: Path) -> None:
    """Start the process that watches over the others; what it does is told in logs/supervisor.log."""
    command = [sys.executable, "-m", "gateway.supervise", str(home)]
    start_process(home, stack.SUPERVISOR, command, clean_environment({"TRIPTYCH_HOME": str(home)}), root)


def watch_over(home: Path, name: str) -> None:
    """Start the part again whenever it has died, for ever."""
    pause, since = 0.0, time.monotonic()
    while True:
        time.sleep(_LOOK_SECONDS)
        if running_process(home, name) is not None:
            if time.monotonic() - since > _SETTLED_SECONDS:
                pause = 0.0
            continue
        try:
            if not stack.can_start(home, name):
                continue
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2 or _FIRST_PAUSE_SECONDS)
            _tell(f"{name} has ended: it is started again")
            stack.start_part(home, name)
        except Exception as error:
            # Whatever it was: nobody else would try again.
            _tell(f"{name} did not start: {type(error).__name__}: {error}")
        since = time.monotonic()


def main() -> None:
    """Watch over every part that this home starts, each in a thread of its own."""
    home = Path(sys.argv[1])
    names = [name for name in stack.parts_here(home) if name != stack.SUPERVISOR]
    threads = [threading.Thread(target=watch_over, args=(home, name), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _tell(sentence: str) -> None:
    sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
