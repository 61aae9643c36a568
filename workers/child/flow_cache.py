"""A cache of loaded flows, valid while no imported source file has changed."""

import os
import site
import sys
import sysconfig
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.steps.core import run_steps
from prefect.flows import Flow, load_flow_from_flow_run
from prefect.logging.loggers import flow_run_logger
from prefect.utilities.asyncutils import run_coro_as_sync

_INSTALLED = tuple(
    {
        str(Path(path).resolve()) + os.sep
        for name in ("stdlib", "platstdlib", "purelib")
        if (path := sysconfig.get_path(name))
    }
    | {str(Path(path).resolve()) + os.sep for path in site.getsitepackages()}
)


class CodeChanged(Exception):
    """The process has imported code that differs from the code of the run: a new process is needed."""


class FlowCache:
    """The loaded flows, and modification time and size of the file of every module outside the installed packages."""

    def __init__(self) -> None:
        self._flows: dict[tuple[str, str], Flow[..., Any]] = {}
        self._files: dict[str, tuple[int, int]] = {}
        self._seen: set[str] = set()

    def track_imported_files(self) -> None:
        """Record the files of the modules that were imported since the last call."""
        for name in sys.modules.keys() - self._seen:
            self._seen.add(name)
            file = getattr(sys.modules.get(name), "__file__", None)
            if isinstance(file, str) and _is_user_code(name, file):
                self._files[file] = _fingerprint(file)

    def load(self, flow_run: FlowRun, deployment: DeploymentResponse | None) -> Flow[..., Any]:
        """Load the flow of a run, from the cache if possible, after its pull steps. Raises CodeChanged."""
        changed = [file for file, known in self._files.items() if _fingerprint(file) != known]
        if changed:
            raise CodeChanged(f"{Path(changed[0]).name} changed")
        if deployment is None or not _is_cacheable(deployment):
            return run_coro_as_sync(load_flow_from_flow_run(flow_run, use_placeholder_flow=False))
        folder = _run_pull_steps(flow_run, deployment) if deployment.pull_steps else ""
        entrypoint = str(deployment.entrypoint)
        _refuse_other_checkout(entrypoint, Path(folder or "."))
        flow = self._flows.get((entrypoint, folder))
        if flow is None:
            flow = run_coro_as_sync(load_flow_from_flow_run(flow_run, ignore_storage=True, use_placeholder_flow=False))
            self._flows[entrypoint, folder] = flow
        self.track_imported_files()
        return flow


def _is_cacheable(deployment: DeploymentResponse) -> bool:
    # Without pull steps, a file entrypoint is downloaded from a storage block for each run.
    return bool(deployment.entrypoint) and (bool(deployment.pull_steps) or ":" not in str(deployment.entrypoint))


def _run_pull_steps(flow_run: FlowRun, deployment: DeploymentResponse) -> str:
    """Run the pull steps and change into the directory that they name. Returns the working directory."""
    steps = deployment.pull_steps or []
    if len(steps) == 1 and (literal := _literal_directory(steps[0])):
        os.chdir(literal)
        return os.getcwd()  # noqa: PTH109
    logger = flow_run_logger(flow_run)
    output = run_coro_as_sync(run_steps(steps, print_function=logger.debug, deployment=deployment, flow_run=flow_run))
    if folder := (output or {}).get("directory"):
        os.chdir(folder)
    return os.getcwd()  # noqa: PTH109


def _literal_directory(step: dict[str, Any]) -> str | None:
    """The directory of a `set_working_directory` step without placeholders.

    Prefect's `run_steps` makes two clients for each step, which costs 50 ms.
    """
    inputs = step.get("prefect.deployments.steps.set_working_directory")
    folder = inputs.get("directory") if isinstance(inputs, dict) and inputs.keys() == {"directory"} else None
    return folder if isinstance(folder, str) and "{{" not in folder else None


def _refuse_other_checkout(entrypoint: str, folder: Path) -> None:
    """Raise CodeChanged where a module of the entrypoint's name was imported from another checkout."""
    top = entrypoint.split(":")[0].split(".")[0]
    here = next((path for path in (folder / top / "__init__.py", folder / f"{top}.py") if path.is_file()), None)
    file = getattr(sys.modules.get(top), "__file__", None)
    if here and file and Path(file).resolve() != here.resolve():
        raise CodeChanged(f"{top} was imported from another folder")


def _is_user_code(name: str, file: str) -> bool:
    return not name.startswith("workers.") and not str(Path(file).resolve()).startswith(_INSTALLED)


def _fingerprint(file: str) -> tuple[int, int]:
    try:
        found = Path(file).stat()
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size
