"""What commands on content share: running a form, and the project's storage."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from gateway.cli.terminal import existing_file, progress_bar

if TYPE_CHECKING:
    from flows.running.platform import Space


def run_form(
    deployment: str,
    parameter: str,
    form: Any,
    work: str,
    local: bool,
    report: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Run a deployment and return its report; with `local`, run MODULE:FUNCTION of `work` in this process instead.

    `report` is told the fraction done; without it there is a progress bar.
    """
    from gateway.cli.dispatch import run_deployment

    with nullcontext(report) if report else progress_bar() as progress:
        if local:
            from gateway.cli.local import run_locally

            return run_locally(form.project, form, resolve_name(work), progress)
        return run_deployment(deployment, {parameter: form.model_dump(mode="json")}, form.project, progress)


@contextmanager
def space_opener(project: str, local: bool) -> Generator[Callable[[], "Space"]]:
    """Yield a function that opens the project's storage; its slow import is avoided where it is not needed."""
    if local:
        from gateway.cli.local import local_platform

        with local_platform() as platform:
            yield lambda: platform.space(project)
    else:
        yield lambda: _open_space(project)


def _open_space(project: str) -> "Space":
    from flows.running.platform import open_platform

    return open_platform().space(project)


def store_query_file(space: "Space", path: Path) -> str:
    """Store a local file as the input of a command and return its artifact id."""
    from flows.ingest import store_unrecorded

    return store_unrecorded(space, existing_file(path)).sha256
