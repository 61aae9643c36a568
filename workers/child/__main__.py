"""The process of one slot, `python -m workers.child <file descriptor>`: it lives through many runs, its models too."""

import contextvars
import ctypes
import importlib
import os
import signal
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.context import SyncClientContext
from prefect.exceptions import TerminationSignal
from prefect.logging.loggers import flow_run_logger, get_logger
from prefect.utilities.importtools import import_object

from workers.child.channel import Channel
from workers.child.engine import drive, flow_run_of, run_hooks, settings_of
from workers.child.first_request import outlast_absence
from workers.child.flow_source import CodeChanged, FlowSource
from workers.child.isolation import isolated
from workers.child.loaded_models import Holdings
from workers.messages import Done, Ready, RunFlow, Stale, Stop
from workers.options import WarmOptions

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Preload, say so, then run what the worker sends until it says stop."""
    _end_with_the_worker()
    _be_the_one_to_go()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker: it lets the run in hand finish.
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    channel = Channel(connection)
    channel.listen()
    options, source = WarmOptions(), FlowSource()
    problem = _preload(options.preload)
    holdings = Holdings(options.report, channel.send)
    holdings.tell()
    source.note_files()
    channel.send(Ready(problem=problem))
    holdings.keep_telling()
    with SyncClientContext() as context:
        outlast_absence(context.client)
        _serve(channel, source, holdings)


def _serve(channel: Channel, source: FlowSource, holdings: Holdings) -> None:
    while not isinstance(order := channel.next_order(), Stop):
        answer = contextvars.copy_context().run(_answer, order, channel, source)
        holdings.tell()  # first: the worker chooses the next run by what is loaded
        source.note_files()
        channel.send(answer)


def _answer(order: RunFlow, channel: Channel, source: FlowSource) -> Done | Stale:
    flow_run = flow_run_of(order)
    flow_run_id = str(flow_run.id)
    cancelled = False
    outcome, problem = "broken", None
    with isolated({**os.environ}), tempfile.TemporaryDirectory(prefix="warm-") as scratch:
        channel.take_in_hand(flow_run_id)
        try:
            with settings_of(order.environment):
                os.environ.update(order.environment)
                os.chdir(order.working_dir or scratch)
                outcome = _run(order, flow_run, source)
        except CodeChanged as reason:
            return Stale(flow_run_id=flow_run_id, reason=str(reason))
        except BaseException as error:
            # Whatever a flow raises, up to SystemExit, ends the run and not the process.
            problem = _told(error)
        finally:
            try:
                cancelled = channel.let_go()
            except TerminationSignal:
                cancelled = True
            os.chdir("/")
    return Done(flow_run_id=flow_run_id, outcome="cancelled" if cancelled else outcome, problem=problem)  # type: ignore[arg-type]


def _run(order: RunFlow, flow_run: FlowRun, source: FlowSource) -> str:
    deployment = DeploymentResponse.model_validate(order.deployment) if order.deployment else None
    try:
        flow = source.load(flow_run, deployment)
    except CodeChanged:
        raise
    except Exception:
        flow_run_logger(flow_run).exception("The flow could not be loaded")
        raise
    if order.hooks == "none":
        return drive(flow, flow_run)
    run_hooks(flow, flow_run, order.hooks)
    return "ended"


def _preload(names: tuple[str, ...]) -> str | None:
    """Import and call what is named. What fails is told and left: the runs that need it will say more."""
    problems: list[str] = []
    for name in names:
        try:
            if ":" in name:
                import_object(name)()
            else:
                importlib.import_module(name)
        except Exception as error:
            get_logger("worker").exception("%s could not be preloaded", name)
            problems.append(f"{name}: {_told(error)}")
    return "; ".join(problems) or None


def _told(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip()


def _end_with_the_worker() -> None:
    """Linux kills this process when the worker dies, however it dies; elsewhere, the end of the channel does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _be_the_one_to_go() -> None:
    """Where the machine's memory runs out, Linux ends the process with the run, not the worker that tells of it."""
    with suppress(OSError):  # other systems have no such file, and some containers do not allow it
        Path("/proc/self/oom_score_adj").write_text("500")


if __name__ == "__main__":
    main()
