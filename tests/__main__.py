"""Run the suite on one set of servers: `python -m tests [--all] [arguments of pytest]`.

One process more than there are cores runs, or TRIPTYCH_TEST_PROCESSES; what stops, restarts or counts what
others use waits until nothing else uses it, see groups.py. With --all, the soaks follow, alone.
"""

import os
import subprocess
import sys

from tests import shared_servers

_PROCESSES = int(os.environ.get("TRIPTYCH_TEST_PROCESSES") or min((os.cpu_count() or 1) + 1, 4))
"""One more than cores, since many tests wait for servers. Each loads its own models, about 3 GB."""
_NO_TESTS = 5
"""Pytest's exit code when the arguments select no test of a part."""


_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONDONTWRITEBYTECODE": "",
}
"""With one process for each core, the threads of a second pool in each would only wait for each other. Hundreds of
processes are started: where the machine forbids byte code, each would compile torch, Prefect and all else again."""


def main(arguments: list[str]) -> int:
    """0 when every part passed; otherwise the exit code of the first that did not."""
    parts = [
        ["-m", "not soak", "-n", str(_PROCESSES), "--dist", "loadscope", "--no-loadscope-reorder"],
        *([["-m", "soak"]] if "--all" in arguments else []),
    ]
    given = [argument for argument in arguments if argument != "--all"]
    os.environ.update(_ENVIRONMENT)
    shared_servers.open_folder()
    try:
        codes = [_pytest(number, ["--durations=20", *part, *given]) for number, part in enumerate(parts)]
    finally:
        shared_servers.close_folder()
    return next((code for code in codes if code not in (0, _NO_TESTS)), 0)


def _pytest(part: int, arguments: list[str]) -> int:
    # Pytest empties this folder, and the shared servers may still know files of an earlier part.
    temporary = ["--basetemp", str(shared_servers.folder() / f"tmp-{part}")]
    return subprocess.run([sys.executable, "-m", "pytest", *temporary, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
