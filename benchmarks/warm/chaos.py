"""Chaos test of the warm worker: mixed runs on two slots while runs, the server and the worker are killed.

    .venv/bin/python -m benchmarks.warm.chaos --runs 200 --seed 1

Starts a Postgres, a Prefect server and a worker of its own, and stops them. Fails with the runs that ended in a wrong
state.
"""

import argparse
import json
import tempfile
from pathlib import Path

from tests.workers.harness.chaos import Chaos
from tests.workers.harness.server import own_server
from tests.workers.harness.workers import Pool


def main() -> None:
    """Run it once and print the summary."""
    parser = argparse.ArgumentParser(description="Mixed runs, crashes and restarts on a warm worker with two slots.")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1800, help="how long each third may take")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="triptych-bench-") as folder, own_server(Path(folder)) as server:
        chaos = Chaos(Pool(server), Path(folder) / "chaos", runs=options.runs, seed=options.seed)
        print(json.dumps({"seed": options.seed, **chaos.go(options.seconds)}))


if __name__ == "__main__":
    main()
