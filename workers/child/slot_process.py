"""The process of a slot: executes the runs that the worker sends."""

import contextvars
import ctypes
import importlib
import os
import signal
import socket
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.context import SyncClientContext, refresh_global_settings_context
from prefect.exceptions import TerminationSignal
from prefect.logging.loggers import flow_run_logger, get_logger
from prefect.utilities.importtools import import_object

from workers.child.channel import Channel
from workers.child.engine import execute_flow_run, parse_flow_run, prefect_settings_from, run_hooks
from workers.child.first_request import retry_first_request
from workers.child.flow_cache import CodeChanged, FlowCache
from workers.child.isolation import isolated
from workers.child.loaded_models import LoadedModelsReporter
from workers.messages import Done, Ready, RunFlow, Stale, Stop
from workers.options import WarmOptions

_PR_SET_PDEATHSIG = 1


def serve(connection: socket.socket, environment: dict[str, str]) -> None:
    """Preload, report ready, then execute the commands of the worker until it sends Stop.

    The process was forked a moment ago and takes the environment of its slot.
    """
    os.setsid()
    die_with_parent()
    _prefer_oom_kill()
    os.environ.clear()
    os.environ.update(environment)
    refresh_global_settings_context()
    channel = Channel(connection)
    channel.start_reading()
    options, flows = WarmOptions(), FlowCache()
    problem = _preload(options.preload)
    models = LoadedModelsReporter(options.report, channel.send)
    models.send_changes()
    flows.track_imported_files()
    channel.send(Ready(problem=problem))
    models.start_polling()
    with SyncClientContext() as context:
        retry_first_request(context.client)
        _serve(channel, flows, models)


def _serve(channel: Channel, flows: FlowCache, models: LoadedModelsReporter) -> None:
    while not isinstance(command := channel.next_command(), Stop):
        reply = contextvars.copy_context().run(_execute, command, channel, flows)
        models.send_changes()  # before the reply: the worker chooses the next run by the loaded models
        flows.track_imported_files()
        channel.send(reply)


def _execute(command: RunFlow, channel: Channel, flows: FlowCache) -> Done | Stale:
    flow_run = parse_flow_run(command)
    flow_run_id = str(flow_run.id)
    cancelled = False
    outcome, problem = "broken", None
    with isolated({**os.environ}), tempfile.TemporaryDirectory(prefix="warm-") as scratch:
        channel.begin_run(flow_run_id)
        try:
            with prefect_settings_from(command.environment):
                os.environ.update(command.environment)
                os.chdir(command.working_dir or scratch)
                outcome = _run_flow(command, flow_run, flows)
        except CodeChanged as reason:
            return Stale(flow_run_id=flow_run_id, reason=str(reason))
        except BaseException as error:
            # Whatever a flow raises, up to SystemExit, ends the run and not the process.
            problem = _format_error(error)
        finally:
            try:
                cancelled = channel.end_run()
            except TerminationSignal:
                cancelled = True
            os.chdir("/")
    return Done(flow_run_id=flow_run_id, outcome="cancelled" if cancelled else outcome, problem=problem)  # type: ignore[arg-type]


def _run_flow(command: RunFlow, flow_run: FlowRun, flows: FlowCache) -> str:
    deployment = DeploymentResponse.model_validate(command.deployment) if command.deployment else None
    try:
        flow = flows.load(flow_run, deployment)
    except CodeChanged:
        raise
    except Exception:
        flow_run_logger(flow_run).exception("The flow could not be loaded")
        raise
    if command.hooks == "none":
        return execute_flow_run(flow, flow_run)
    run_hooks(flow, flow_run, command.hooks)
    return "ended"


def _preload(names: tuple[str, ...]) -> str | None:
    """Import each module and call each `module:callable`. Returns the errors as one text; they do not end the process.

    A run that needs what is missing fails with an error of its own.
    """
    problems: list[str] = []
    for name in names:
        try:
            if ":" in name:
                import_object(name)()
            else:
                importlib.import_module(name)
        except Exception as error:
            get_logger("worker").exception("%s could not be preloaded", name)
            problems.append(f"{name}: {_format_error(error)}")
    return "; ".join(problems) or None


def _format_error(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip()


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prefer_oom_kill() -> None:
    """Make the OOM killer of Linux choose this process before the worker, which reports the lost run."""
    with suppress(OSError):  # other systems have no such file, and some containers do not allow it
        Path("/proc/self/oom_score_adj").write_text("500")
