"""Commands that list and retry failed runs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import Json, Project
from gateway.cli.terminal import print_result
from gateway.errors import WrongInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from prefect.client.orchestration import PrefectClient


def failed(project: Project = "default", as_json: Json = False) -> None:
    """The runs that ended without success, latest first. Files that wait in the inbox come with their reasons."""
    from flows.running.platform import open_platform
    from gateway.cli.failed_runs import failed_runs

    runs, waiting = _with_client(failed_runs), open_platform().waiting.of_project()
    rows = [f"{run.id}  {run.flow}  {run.state} after {run.attempts}: {run.reason}" for run in runs]
    rows += [
        f"{file.key}  waits after {file.attempts}, until {file.next_attempt:%H:%M:%S}: {file.reason}"
        for file in waiting
    ]
    document = {
        "runs": [run.model_dump(mode="json") for run in runs],
        "waiting": [file.model_dump(mode="json") for file in waiting],
    }
    print_result(document, as_json, "\n".join(rows) or "No run has failed.")


def retry(
    run: Annotated[str, typer.Argument(metavar="ID", help="A failed run, or the beginning of its id.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All that failed or crashed; not what was refused.")] = False,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Begin a failed run again, with its parameters. What it had done is found done."""
    from gateway.cli.failed_runs import FailedRun, failed_runs, retry_run, retryable_runs, run_by_id

    if bool(run) == every:
        raise WrongInput("Say which run: its ID as `triptych failed` shows it, or --all.")

    async def work(client: "PrefectClient") -> list[FailedRun]:
        runs = await failed_runs(client)
        chosen = retryable_runs(runs) if every else [run_by_id(runs, run)]
        for each in chosen:
            await retry_run(client, each)
        return chosen

    retried = _with_client(work)
    print_result({"runs": [each.id for each in retried]}, as_json, f"{len(retried)} runs are begun again.")


def _with_client(work: "Callable[[PrefectClient], Awaitable[Any]]") -> Any:
    import asyncio

    from prefect.client.orchestration import get_client

    from gateway.cli.dispatch import prefect_client_settings

    async def run() -> Any:
        async with get_client() as client:
            return await work(client)

    with prefect_client_settings():
        return asyncio.run(run())
