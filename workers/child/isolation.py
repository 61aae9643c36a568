"""What one run must not leave to the next one in the same process, put back."""

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
    """Inside, `environment` is the process's; afterwards everything is as it was before."""
    with ExitStack() as stack:
        for keep in (_environment, _folder, _paths, _logging, _signals, _warnings, _torch):
            stack.callback(keep())
        _fresh_seeds()
        _become(environment)
        yield


def _environment() -> Callable[[], None]:
    before = dict(os.environ)
    return lambda: _become(before)


def _become(environment: Mapping[str, str]) -> None:
    # Never empty in between: threads of Prefect read it at any time.
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


def _folder() -> Callable[[], None]:
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
    """Grad mode, default type and device: those of before, or of a new process where the run imported torch itself."""
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


def _fresh_seeds() -> None:
    """Each run starts with seeds from the system, as a new process does: neither a seed nor its effect is inherited."""
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.seed()
