"""The supervisor of the embedded stack: restart parts that died, with exponential backoff."""

import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from stack.parts import Part, needs_answer, open_home, parts_of, start_if_missing
from stack.processes import running_process

_CHECK_SECONDS = 0.3
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_SETTLED_SECONDS = 10.0
"""A part that lived this long is restarted without a pause."""


def watch_over(path: Path, part: Part) -> None:
    """Restart the part whenever it dies; never returns."""
    pause, since = 0.0, time.monotonic()
    while True:
        time.sleep(_CHECK_SECONDS)
        if running_process(path, part.name) is not None:
            if time.monotonic() - since > _SETTLED_SECONDS:
                pause = 0.0
            continue
        try:
            home = open_home(path)
            if not needs_answer(home, part):
                continue
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2 or _FIRST_PAUSE_SECONDS)
            _log(f"{part.name} has ended: it is started again")
            start_if_missing(home, part, lambda _sentence: None)
        except Exception as error:
            # Whatever it was: nothing else would try again.
            _log(f"{part.name} did not start: {type(error).__name__}: {error}")
        since = time.monotonic()


def main() -> None:
    """Watch over every part that this home starts, each in a thread of its own."""
    path = Path(sys.argv[1])
    threads = [threading.Thread(target=watch_over, args=(path, part), daemon=True) for part in parts_of(path)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _log(sentence: str) -> None:
    sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
