"""How the command line talks: results on stdout, everything else on stderr, exit codes that scripts can rely on."""

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from gateway.errors import GatewayError, WrongInput

DONE, WRONG_INPUT, NOT_REACHABLE, SOME_FAILED = 0, 2, 3, 4


def answer(document: dict[str, Any], as_json: bool, text: str) -> None:
    """The result: one JSON document, or text for a person."""
    typer.echo(json.dumps(document, ensure_ascii=False) if as_json else text)


def say(sentence: str) -> None:
    """Anything but the result."""
    typer.echo(sentence, err=True)


@contextmanager
def progress_bar() -> Generator[Callable[[float], None]]:
    """A progress bar on stderr, when stderr is a terminal; yields what to tell the finished fraction."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("working", total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)


def existing(path: Path) -> Path:
    """The path, if a file is there. Raises WrongInput."""
    if not path.is_file():
        raise WrongInput(f"There is no file {path}.")
    return path


def named_value(argument: str) -> tuple[str, Any]:
    """NAME=VALUE, where the value is JSON if it can be read as JSON, and a word otherwise."""
    name, equals, text = argument.partition("=")
    if not equals:
        raise WrongInput(f"{argument!r} is no NAME=VALUE.")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


def exit_code(error: Exception) -> int | None:
    """The exit code of an error that a person can understand; None for all others."""
    from flows.running.errors import EXPECTED, NotReachable
    from flows.running.settings import SettingsMissing
    from stack.errors import StackError
    from storage.errors import StorageUnavailable

    if isinstance(error, WrongInput):
        return WRONG_INPUT
    if isinstance(error, StorageUnavailable | SettingsMissing | NotReachable | StackError | GatewayError):
        return NOT_REACHABLE
    return WRONG_INPUT if isinstance(error, EXPECTED) else None
