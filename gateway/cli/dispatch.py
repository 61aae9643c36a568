"""Run deployments and searches for the command line: through the gateway, or through Prefect if no gateway runs.

Prefect and numpy take long to import, so they are imported only where no gateway runs.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from getpass import getuser
from typing import Any
from uuid import UUID

from flows.answering.form import Ask
from flows.running.content_forms import Query
from flows.running.prefect_api import prefect_client_settings
from flows.running.settings import load_settings
from gateway.client import Client
from gateway.errors import RunDidNotComplete, WrongInput
from gateway.parameters import full_name, nest_parameters

_POLL_SECONDS = 0.2


def search_at_gateway(form: Query) -> dict[str, Any] | None:
    """Search through the gateway, whose models stay loaded; return None if no gateway answers. Raises WrongInput."""
    with gateway_client(form.project) as client:
        if client is None:
            return None
        return client.search_report(form.model_dump(mode="json", exclude={"project"}))


def ask_at_gateway(form: Ask) -> dict[str, Any] | None:
    """Ask the gateway a question; return None if no gateway answers. Raises WrongInput."""
    with gateway_client(form.project) as client:
        return None if client is None else client.ask(**form.model_dump(mode="json", exclude={"project"}))


def run_deployment(
    deployment: str, parameters: dict[str, Any], project: str, progress: Callable[[float], None]
) -> dict[str, Any]:
    """Run a deployment and return its report: as a job of the gateway, or through Prefect if no gateway answers."""
    with gateway_client(project) as client:
        if client is not None:
            return client.run(deployment, parameters, progress)
    with prefect_client_settings():
        return asyncio.run(_run(deployment, parameters, project, progress))


@contextmanager
def gateway_client(project: str) -> Generator[Client | None]:
    """Yield a client of the gateway, or None if none answers."""
    settings = load_settings()
    if not settings.gateway_url or not settings.gateway_token:
        yield None
        return
    with Client(settings.gateway_url, settings.gateway_token.get_secret_value(), project) as client:
        yield client if client.answers() else None


async def _run(
    deployment: str, parameters: dict[str, Any], project: str, progress: Callable[[float], None]
) -> dict[str, Any]:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    from flows.running.context import PERSON_TAG
    from flows.running.platform import open_platform
    from flows.running.prefect_runs import fetch_report

    async with get_client() as client:
        try:
            found = await client.read_deployment_by_name(full_name(deployment))
        except ObjectNotFound as error:
            raise WrongInput(f"There is no deployment {deployment}: see `triptych run --help`.") from error
        try:
            nested = nest_parameters(found.parameter_openapi_schema or {}, parameters)
            run = await client.create_flow_run_from_deployment(
                found.id, parameters=nested, tags=[f"{PERSON_TAG}{getuser()}"]
            )
        except PrefectHTTPStatusError as error:
            raise WrongInput(f"The parameters of {deployment} are refused: {error.response.text[:300]}") from error
        await _wait_until_completed(client, run.id, progress)
        return await fetch_report(client, open_platform().space(project).store, run.id) or {}


async def _wait_until_completed(client: Any, run_id: UUID, progress: Callable[[float], None]) -> None:
    from flows.running.prefect_runs import REFUSED_STATE, fetch_progress

    while True:
        run = await client.read_flow_run(run_id)
        if run.state and run.state.is_final():
            break
        progress(await fetch_progress(client, run_id))
        await asyncio.sleep(_POLL_SECONDS)
    if run.state.is_completed():
        return
    if run.state.name == REFUSED_STATE:
        raise WrongInput(run.state.message or "The request was refused.")
    raise RunDidNotComplete(f"The run {run.name} is {run.state.name}: {run.state.message or 'no reason was given'}")
