"""Output of the command line: results on stdout, everything else on stderr, stable exit codes."""

import json
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from gateway.errors import GatewayError, WrongInput

_LINE_SECONDS = 10.0
_SAID = 5
DONE, WRONG_INPUT, NOT_REACHABLE, SOME_FAILED = 0, 2, 3, 4


def print_result(document: dict[str, Any], as_json: bool, text: str) -> None:
    """Print the result to stdout: one JSON document, or text."""
    typer.echo(json.dumps(document, ensure_ascii=False) if as_json else text)


def say(sentence: str) -> None:
    """Print a message to stderr."""
    typer.echo(sentence, err=True)


def say_first(sentences: Sequence[str]) -> None:
    """Print the first of many messages to stderr, and how many more there are."""
    for sentence in sentences[:_SAID]:
        say(sentence)
    if (more := len(sentences) - _SAID) > 0:
        say(f"and {more} more; --json lists them all.")


@contextmanager
def progress_bar() -> Generator[Callable[[float], None]]:
    """Show a progress bar if stderr is a terminal; yield a function that sets the fraction done, from 0 to 1."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("working", total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)


@contextmanager
def byte_progress(what: str, size: int) -> Generator[Callable[[int], None]]:
    """Show how many of `size` bytes have come: a bar on a terminal, else a line every ten seconds.

    Yield a function that adds bytes.
    """
    if not sys.stderr.isatty():
        yield _byte_lines(what, size)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=size)
        yield lambda amount: bar.advance(task, amount)


def _byte_lines(what: str, size: int) -> Callable[[int], None]:
    done, said = 0, time.monotonic()

    def add(amount: int) -> None:
        nonlocal done, said
        done += amount
        if time.monotonic() - said >= _LINE_SECONDS:
            said = time.monotonic()
            say(f"{what}: {done / 1e9:.2f} of {size / 1e9:.2f} GB")

    return add


def existing_file(path: Path) -> Path:
    """Return the path. Raises WrongInput unless it is a file."""
    if not path.is_file():
        raise WrongInput(f"There is no file {path}.")
    return path


def write_file(path: Path, data: bytes) -> None:
    """Write a file that the user named. Raises WrongInput if it cannot be written."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise WrongInput(f"{path} cannot be written: {error.strerror}.") from error


def parse_named_value(argument: str) -> tuple[str, Any]:
    """Split NAME=VALUE. The value is parsed as JSON, or else taken as a string. Raises WrongInput."""
    name, equals, text = argument.partition("=")
    if not equals:
        raise WrongInput(f"{argument!r} is no NAME=VALUE.")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


def exit_code(error: Exception) -> int | None:
    """Return the exit code of an expected error; None for a bug."""
    from flows.running.errors import EXPECTED, NotReachable
    from flows.running.settings import SettingsMissing
    from stack.errors import StackError
    from storage.errors import StorageUnavailable

    if isinstance(error, WrongInput):
        return WRONG_INPUT
    if isinstance(error, StorageUnavailable | SettingsMissing | NotReachable | StackError | GatewayError):
        return NOT_REACHABLE
    return WRONG_INPUT if isinstance(error, EXPECTED) else None
