"""Run the measurement: `.venv/bin/python -m benchmarks.suggestions [PERSONS]`."""

import sys

from benchmarks.suggestions.simulated import main

main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
