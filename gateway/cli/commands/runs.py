"""Commands about runs that ended without success."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.options import Json, Project
from gateway.cli.terminal import answer
from gateway.errors import WrongInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from prefect.client.orchestration import PrefectClient


def failed(project: Project = "default", as_json: Json = False) -> None:
    """The runs that ended without success, the latest first. Each has its reason."""
    from gateway.cli.failed_runs import failed_runs

    runs = _with_client(failed_runs)
    rows = [f"{run.id}  {run.flow}  {run.state} after {run.attempts}: {run.reason}" for run in runs]
    answer({"runs": [run.model_dump(mode="json") for run in runs]}, as_json, "\n".join(rows) or "No run has failed.")


def retry(
    run: Annotated[str, typer.Argument(metavar="ID", help="A failed run, or the beginning of its id.")] = "",
    every: Annotated[bool, typer.Option("--all", help="All that failed or crashed; not what was refused.")] = False,
    project: Project = "default",
    as_json: Json = False,
) -> None:
    """Begin a failed run again, with its parameters. What it had done is found done."""
    from gateway.cli.failed_runs import FailedRun, begin_again, chosen, failed_runs, worth_another_attempt

    if bool(run) == every:
        raise WrongInput("Say which run: its ID as `triptych failed` shows it, or --all.")

    async def work(client: "PrefectClient") -> list[FailedRun]:
        runs = await failed_runs(client)
        wanted = worth_another_attempt(runs) if every else [chosen(runs, run)]
        for one in wanted:
            await begin_again(client, one)
        return wanted

    begun = _with_client(work)
    answer({"runs": [one.id for one in begun]}, as_json, f"{len(begun)} runs are begun again.")


def _with_client(work: "Callable[[PrefectClient], Awaitable[Any]]") -> Any:
    import asyncio

    from prefect.client.orchestration import get_client

    from gateway.cli.dispatch import prefect_client_settings

    async def run() -> Any:
        async with get_client() as client:
            return await work(client)

    with prefect_client_settings():
        return asyncio.run(run())
