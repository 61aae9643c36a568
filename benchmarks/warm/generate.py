"""The latency of `triptych generate` on a warm stack, beside the bare diffusers pipeline.

    .venv/bin/python -m benchmarks.warm.generate --pictures 10

Starts a stack of its own and stops it. In turns: `triptych generate … --steps 4` on the command line (a new process,
Prefect's API, the flow in the pool `cpu`, the model in the pool `gpu`, the picture in the bucket), and the same picture
from diffusers in this process. Each picture has its own seed, so that none is cached.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.running.platform import Platform
from flows.running.settings import ROOT, load_settings
from modalities.generation.pipelines import load_pipelines
from modalities.generation.requests import defaults_for
from modalities.models.weights import WeightsLocator
from stack import lifecycle

STEPS = 4
PROMPT = "pine tree"


def main() -> None:
    """Measure both in turns and print one table."""
    parser = argparse.ArgumentParser(description="`triptych generate`, warm, beside the bare pipeline.")
    parser.add_argument("--pictures", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="triptych-bench-") as folder:
        home = Path(folder)
        lifecycle.up(home)
        try:
            times = _measure(home, options.pictures)
        finally:
            lifecycle.down(home)
    Console().print(_table(times))


def _measure(home: Path, pictures: int) -> dict[str, list[float]]:
    pipeline, size = _bare(home)
    times: dict[str, list[float]] = {"triptych generate": [], "bare pipeline": []}
    for number in range(-2, pictures):  # two warm-up rounds: the first one loads the model
        for name, work in (("triptych generate", _ours), ("bare pipeline", pipeline)):
            seed = number + 100
            started = time.perf_counter()
            work(home, seed, size)
            seconds = time.perf_counter() - started
            print(f"{name}, picture {number}: {seconds:.2f} s", flush=True)
            if number >= 0:
                times[name].append(seconds)
    return times


def _ours(home: Path, seed: int, _size: Any) -> None:
    command = [str(Path(sys.executable).with_name("triptych")), "generate", PROMPT]
    arguments = ["--steps", str(STEPS), "--seed", str(seed)]
    done = subprocess.run(
        [*command, *arguments],
        env=os.environ | {"TRIPTYCH_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"triptych generate failed: {done.stderr.strip()}")


def _bare(home: Path) -> tuple[Any, tuple[int, int]]:
    """A function that makes one picture with diffusers alone, and the default size of the model."""
    import torch

    platform = Platform(load_settings(home))
    spec = platform.catalogue.spec(platform.catalogue.profile.generation)
    weights = WeightsLocator(ROOT, platform.settings.cache_dir, None).locate(spec)
    pipeline: Any = load_pipelines(spec.name, weights.folder, "cpu", "float32", None)[0]
    own = defaults_for(spec)

    def picture(_home: Path, seed: int, size: tuple[int, int]) -> None:
        pipeline(
            prompt=PROMPT,
            num_inference_steps=STEPS,
            guidance_scale=own.guidance,
            width=size[0],
            height=size[1],
            generator=torch.Generator().manual_seed(seed),
        )

    return picture, (own.width, own.height)


def _table(times: dict[str, list[float]]) -> Table:
    table = Table("what", "pictures", "median s", "p95 s", "best s", "worst s")
    for name, values in times.items():
        ordered = sorted(values)
        p95 = ordered[math.ceil(0.95 * len(ordered)) - 1]
        numbers = (statistics.median(ordered), p95, ordered[0], ordered[-1])
        table.add_row(name, str(len(ordered)), *(f"{one:.2f}" for one in numbers))
    more = statistics.median(times["triptych generate"]) - statistics.median(times["bare pipeline"])
    table.caption = f"medians: the whole path takes {more:.2f} s more; load average {os.getloadavg()[0]:.1f}"
    return table


if __name__ == "__main__":
    main()
