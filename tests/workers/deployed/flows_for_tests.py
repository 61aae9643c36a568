"""Flows that the tests of the warm worker run: dotted entrypoints, a `set_working_directory` pull step."""

import asyncio
import logging
import os
import random
import signal
import sys
import time
from pathlib import Path

import models_for_tests as models
from prefect import flow, get_run_logger, task
from prefect.context import get_run_context
from prefect.flow_runs import suspend_flow_run
from prefect.settings import get_current_settings


def tell(path: str, line: object) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


@flow
async def first_line(path: str) -> None:
    tell(path, f"{time.time()} {os.getpid()}")


@flow
def first_line_sync(path: str) -> None:
    tell(path, f"{time.time()} {os.getpid()}")


@flow
async def with_model(path: str, model: str = "small", seconds: float = 0) -> None:
    models.load(model)
    await asyncio.sleep(seconds)
    tell(path, f"{os.getpid()} {model} {models.LOADS}")


@flow
async def with_model_for_a_while(path: str) -> None:
    """Keeps the model loaded until the file `path`.released is there."""
    models.load("small")
    models.let_go_when(Path(f"{path}.released").exists)
    tell(path, os.getpid())


@flow
async def with_pooled_model(path: str, model: str) -> None:
    """Uses a model of a pool in which two of three fit; tells how many loads there have been in this process."""
    from pooled_for_tests import POOL, Ballast

    with POOL.operator(model):
        tell(path, f"{time.time()} {os.getpid()} {model} {len(Ballast.loads)}")


@flow
async def fail() -> None:
    raise ValueError("this flow fails")


@flow
async def leave() -> None:
    sys.exit(3)


def _crashed(flow: object, flow_run: object, state: object) -> None:
    tell(os.environ["TOLD"], f"crashed hook {os.getpid()}")


@flow(on_crashed=[_crashed])
async def die(how: str = "exit") -> None:
    if how == "exit":
        os._exit(7)
    os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGSEGV)


def _cancelled(flow: object, flow_run: object, state: object) -> None:
    tell(os.environ["TOLD"], f"cancelled hook {os.getpid()}")


@flow(on_cancellation=[_cancelled])
async def sleep(path: str, seconds: float) -> None:
    tell(path, f"begun {os.getpid()}")
    await asyncio.sleep(seconds)
    tell(path, "slept")


@flow
async def hold(path: str) -> None:
    """Keeps its slot until the file `path`.released is there."""
    tell(path, f"begun {os.getpid()}")
    while not Path(f"{path}.released").exists():
        await asyncio.sleep(0.05)
    tell(path, "released")


@flow(on_cancellation=[_cancelled])
def sleep_sync(path: str, seconds: float) -> None:
    tell(path, f"begun {os.getpid()}")
    time.sleep(seconds)
    tell(path, "slept")


@flow(on_cancellation=[_cancelled])
def stubborn(path: str, seconds: float) -> None:
    """Does not yield: what a long call into C looks like to Python."""
    tell(path, f"begun {os.getpid()}")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    time.sleep(seconds)


@flow
async def chaotic(path: str, kind: str, seconds: float, model: str) -> None:
    """One run of the chaos: does what its kind says."""
    run = get_run_context().flow_run.id  # type: ignore[union-attr]
    tell(path, f"begun {run} {os.getpid()}")
    models.load(model)
    await asyncio.sleep(seconds)
    match kind:
        case "fail":
            raise ValueError("this flow fails")
        case "exit":
            os._exit(7)
        case "kill" | "segv":
            os.kill(os.getpid(), signal.SIGKILL if kind == "kill" else signal.SIGSEGV)
        case "hog":
            held = bytearray(b"1") * (600 * 2**20)
            await asyncio.sleep(30)
            tell(path, f"kept {run} {len(held)}")
        case "suspend":
            await suspend_flow_run(timeout=600, key="once")
        case _:
            pass


@flow
async def take_memory(path: str, megabytes: int) -> None:
    held = bytearray(b"1") * (megabytes * 2**20)
    await asyncio.sleep(30)
    tell(path, f"kept it {len(held)}")


@flow(timeout_seconds=1)
async def too_long() -> None:
    await asyncio.sleep(60)


@flow(timeout_seconds=1)
def too_long_sync() -> None:
    while True:
        time.sleep(0.05)


@flow
async def suspending(path: str) -> None:
    tell(path, f"begun {os.getpid()}")
    await suspend_flow_run(timeout=60, key="once")
    tell(path, "resumed")


@flow
async def suspended_from_outside(path: str, seconds: float) -> None:
    tell(path, f"begun {os.getpid()}")
    await asyncio.sleep(seconds)
    pause_here.submit().result()
    tell(path, "went on")


@task
def pause_here() -> None:
    """A boundary at which the engine looks for a suspension."""


@task
def double(number: int) -> int:
    return 2 * number


@flow
async def with_tasks(path: str) -> None:
    tell(path, sum(double.map(list(range(5))).result()))


@flow
async def messy() -> None:
    """Leaves everything changed that a flow can change."""
    import torch

    os.environ["LEFT_BEHIND"] = "yes"
    os.chdir("/")
    sys.path.insert(0, "/left/behind")
    logging.getLogger().setLevel(logging.CRITICAL)
    logging.disable(logging.CRITICAL)
    random.seed(0)
    torch.manual_seed(1)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")


@flow
async def look_around(path: str) -> None:
    """Tells what a run finds."""
    import torch

    tell(path, f"environment {os.environ.get('LEFT_BEHIND')}")
    tell(path, f"folder {Path.cwd() == Path(__file__).parent}")
    tell(path, f"path {'/left/behind' in sys.path}")
    tell(path, f"logging {logging.getLogger().level} {logging.root.manager.disable}")
    tell(path, f"random {random.random()}")
    tell(path, f"torch {torch.is_grad_enabled()} {torch.get_default_dtype()} {torch.empty(1).device}")
    tell(path, f"torch seed {torch.initial_seed()}")


@flow
async def settings_of_run(path: str) -> None:
    tell(path, f"{os.environ.get('OWN')} {get_current_settings().flows.default_retries}")


@flow
async def log_a_line() -> None:
    get_run_logger().info("a line of %s", get_run_context().flow_run.name)  # type: ignore[union-attr]


@flow
async def die_at_first(path: str, times: int) -> None:
    tell(path, "begun")
    if len(Path(path).read_text(encoding="utf-8").splitlines()) <= times:
        os.kill(os.getpid(), signal.SIGKILL)


@flow
async def sleep_at_first(path: str, seconds: float) -> None:
    tell(path, "begun")
    if len(Path(path).read_text(encoding="utf-8").splitlines()) == 1:
        await asyncio.sleep(seconds)
