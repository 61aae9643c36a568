"""Isolate the runs of one process: restore after each run the process-wide state that it may have changed."""

import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)


@contextmanager
def isolated(environment: Mapping[str, str]) -> Generator[None]:
    """Set the environment inside the context, and restore environment, directory, logging, signals, … on exit."""
    with ExitStack() as stack:
        for save in (_environment, _directory, _paths, _logging, _signals, _warnings, _torch):
            stack.callback(save())
        _reseed()
        _set_environment(environment)
        yield


def _environment() -> Callable[[], None]:
    before = dict(os.environ)
    return lambda: _set_environment(before)


def _set_environment(environment: Mapping[str, str]) -> None:
    # The environment is never empty in between: threads of Prefect read it at any time.
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


def _directory() -> Callable[[], None]:
    before = os.getcwd()  # noqa: PTH109
    return lambda: os.chdir(before)


def _paths() -> Callable[[], None]:
    before = sys.path[:], sys.argv[:]

    def restore() -> None:
        sys.path[:], sys.argv[:] = before

    return restore


def _logging() -> Callable[[], None]:
    def loggers() -> list[logging.Logger]:
        named = logging.Logger.manager.loggerDict.values()
        return [logging.getLogger(), *(one for one in named if isinstance(one, logging.Logger))]

    before = {one: (one.level, one.propagate, one.disabled, one.handlers[:], one.filters[:]) for one in loggers()}
    disabled = logging.root.manager.disable

    def restore() -> None:
        logging.disable(disabled)
        for one, (level, propagate, off, handlers, filters) in before.items():
            one.setLevel(level)
            one.propagate, one.disabled, one.handlers[:], one.filters[:] = propagate, off, handlers, filters

    return restore


def _signals() -> Callable[[], None]:
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)

    return restore


def _warnings() -> Callable[[], None]:
    before = warnings.filters[:]

    def restore() -> None:
        warnings.filters[:] = before  # type: ignore[index]

    return restore


def _torch() -> Callable[[], None]:
    """Save grad mode, default dtype and default device of torch; its defaults, if torch is not imported yet."""
    torch = sys.modules.get("torch")
    before = _torch_state(torch) if torch else None

    def restore() -> None:
        now: Any = sys.modules.get("torch")
        if now is None:
            return
        grad, dtype, device = before or (True, now.float32, None)
        now.set_grad_enabled(grad)
        now.set_default_dtype(dtype)
        if _torch_state(now)[2] != device:
            now.set_default_device(device)

    return restore


def _torch_state(torch: Any) -> tuple[Any, Any, Any]:
    # None stands for "never set": get_default_device() would answer cpu, and setting cpu costs every later call.
    chosen = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return torch.is_grad_enabled(), torch.get_default_dtype(), chosen.device if chosen else None


def _reseed() -> None:
    """Seed the random generators from the system's entropy, as in a new process."""
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.seed()
