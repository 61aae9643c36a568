"""Execute a flow run with Prefect's engine in this process, or only the hooks of a run whose process died."""

import inspect
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import prefect.flow_engine
from prefect.client.schemas.objects import FlowRun
from prefect.context import SettingsContext, get_settings_context
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import run_flow
from prefect.flows import Flow
from prefect.logging.loggers import flow_run_logger
from prefect.settings.models.root import Settings

from workers.child.event_loop import PersistentLoop
from workers.messages import RunFlow

_LOOP = PersistentLoop()


@contextmanager
def _observe_nothing(
    flow_run_id: UUID, suspension_request: object, polling_interval: float = 10
) -> Generator[None, None, None]:
    yield


# The engine would open a websocket for each run to learn of a suspension. Here the worker polls and sends Suspend.
setattr(prefect.flow_engine, "observe_flow_run_suspension", _observe_nothing)  # noqa: B010


def execute_flow_run(flow: Flow[..., Any], flow_run: FlowRun) -> str:
    """Execute the flow in this thread, which must be the main one. Raises what the engine does not handle itself.

    Returns "ended" for a run in a final state, and "open" for one that the engine left before: it was suspended, or
    cancelled before it began.
    """
    logger: Any = flow_run_logger(flow_run)
    try:
        if flow.isgenerator:
            _consume(run_flow(flow, flow_run=flow_run, error_logger=logger))
            return "open"
        state: Any = run_flow(flow, flow_run=flow_run, return_type="state", error_logger=logger)
        if inspect.iscoroutine(state):
            state = _LOOP.run(state)
    except (Pause, Abort):
        return "open"
    return "ended" if state.is_final() else "open"


@contextmanager
def prefect_settings_from(environment: dict[str, str]) -> Generator[None]:
    """Apply the Prefect settings of a run's environment, if they differ from those of the process."""
    if all(os.environ.get(name) == value for name, value in environment.items() if _is_setting(name)):
        yield
        return
    os.environ.update(environment)
    with SettingsContext(profile=get_settings_context().profile, settings=Settings()):
        yield


def run_hooks(flow: Flow[..., Any], flow_run: FlowRun, which: str) -> None:
    """Run the flow's cancellation or crash hooks, because the process that should have run them died."""
    logger = flow_run_logger(flow_run, flow)
    for hook in (flow.on_cancellation_hooks if which == "cancellation" else flow.on_crashed_hooks) or ():
        try:
            result: Any = hook(flow, flow_run, flow_run.state)  # type: ignore[arg-type]
            if inspect.iscoroutine(result):
                _LOOP.run(result)
        except Exception:
            # A hook of the user failed: the others run all the same, as they do in Prefect.
            logger.exception("A %s hook failed", which)


def _consume(result: Any) -> None:
    if inspect.isasyncgen(result):

        async def consume() -> None:
            async for _ in result:
                pass

        _LOOP.run(consume())
    else:
        for _ in result:
            pass


def _is_setting(name: str) -> bool:
    return name.startswith("PREFECT_") and not name.startswith("PREFECT__")


def parse_flow_run(command: RunFlow) -> FlowRun:
    """Read the flow run as it was when the worker claimed it."""
    return FlowRun.model_validate(command.flow_run)
