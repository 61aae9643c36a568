"""One flow run, driven by Prefect's engine in this process, and the hooks of a run whose process is gone."""

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

from workers.child.loop import KeptLoop
from workers.messages import RunFlow

_LOOP = KeptLoop()


@contextmanager
def _the_worker_observes(
    flow_run_id: UUID, suspension_request: object, polling_interval: float = 10
) -> Generator[None, None, None]:
    yield


# The engine would open a websocket for each run to hear of a suspension. The worker looks its runs up and tells.
setattr(prefect.flow_engine, "observe_flow_run_suspension", _the_worker_observes)  # noqa: B010


def drive(flow: Flow[..., Any], flow_run: FlowRun) -> str:
    """Run the flow in this thread, the main one. Returns the outcome; raises what the engine could not handle.

    `open` means that the engine stopped before a final state, for instance because a cancel came before it began.
    """
    logger: Any = flow_run_logger(flow_run)
    try:
        if flow.isgenerator:
            _exhaust(run_flow(flow, flow_run=flow_run, error_logger=logger))
            return "open"
        state: Any = run_flow(flow, flow_run=flow_run, return_type="state", error_logger=logger)
        if inspect.iscoroutine(state):
            state = _LOOP.run(state)
    except (Pause, Abort):
        return "open"
    return "ended" if state.is_final() else "open"


@contextmanager
def settings_of(environment: dict[str, str]) -> Generator[None]:
    """Prefect's settings as the environment has them now, where a run brings others than the process has."""
    if all(os.environ.get(name) == value for name, value in environment.items() if _is_setting(name)):
        yield
        return
    os.environ.update(environment)
    with SettingsContext(profile=get_settings_context().profile, settings=Settings()):
        yield


def run_hooks(flow: Flow[..., Any], flow_run: FlowRun, which: str) -> None:
    """The hooks that the engine could not run, for its process ended."""
    logger = flow_run_logger(flow_run, flow)
    for hook in (flow.on_cancellation_hooks if which == "cancellation" else flow.on_crashed_hooks) or ():
        try:
            result: Any = hook(flow, flow_run, flow_run.state)  # type: ignore[arg-type]
            if inspect.iscoroutine(result):
                _LOOP.run(result)
        except Exception:
            # Somebody's hook: the others run all the same, as they do in Prefect.
            logger.exception("A %s hook failed", which)


def _exhaust(result: Any) -> None:
    if inspect.isasyncgen(result):

        async def exhaust() -> None:
            async for _ in result:
                pass

        _LOOP.run(exhaust())
    else:
        for _ in result:
            pass


def _is_setting(name: str) -> bool:
    return name.startswith("PREFECT_") and not name.startswith("PREFECT__")


def flow_run_of(order: RunFlow) -> FlowRun:
    """The flow run as the worker claimed it."""
    return FlowRun.model_validate(order.flow_run)
