"""Run a flow's work in this process; S3 and Postgres are started for its duration if they are down."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import BaseModel

from flows.running.context import RunContext, local_context
from flows.running.form import Form
from flows.running.platform import Platform, open_platform
from flows.running.settings import default_home
from stack import lifecycle

FormT = TypeVar("FormT", bound=Form)


@contextmanager
def local_platform() -> Generator[Platform]:
    """Open the platform, with S3 and Postgres running while the context lasts."""
    with running_storage():
        yield open_platform()


@contextmanager
def running_storage() -> Generator[None]:
    """Start S3 and Postgres if nothing of the stack runs, and stop them when the context ends."""
    home = default_home()
    started = (
        not any(part.running for part in lifecycle.status(home).parts) and "TRIPTYCH_S3_ENDPOINT" not in os.environ
    )
    if started:
        lifecycle.up(home, storage_only=True)
    try:
        yield
    finally:
        if started:
            lifecycle.down(home)


def run_locally(
    project: str,
    form: FormT,
    work: Callable[[RunContext, FormT], Awaitable[BaseModel]],
    progress: Callable[[float], None],
) -> dict[str, Any]:
    """Run the work in this process and return its report."""
    with local_platform() as platform:

        async def run() -> BaseModel:
            return await work(local_context(platform.space(project), progress), form)

        return asyncio.run(run()).model_dump(mode="json")
