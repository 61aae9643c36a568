"""Start and probe the HTTP gateway."""

import sys
from pathlib import Path

from stack.processes import clean_environment, http_status, start_process, wait_until

NAME = "gateway"
_BOOT_SECONDS = 120.0


def start_gateway(home: Path, root: Path, *, port: int, environment: dict[str, str]) -> None:
    """Start the HTTP gateway and wait until it answers."""
    command = [sys.executable, "-m", "gateway.server", "--port", str(port)]
    # It embeds single queries, for which more threads only add overhead.
    threads = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    start_process(home, NAME, command, clean_environment(threads | environment), root)
    wait_until(home, NAME, lambda: answers(f"http://127.0.0.1:{port}"), _BOOT_SECONDS)


def answers(url: str) -> bool:
    """Whether a gateway answers at the URL."""
    return http_status(f"{url}/health") == 200
