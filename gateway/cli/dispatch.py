"""Getting work done for the command line: by the gateway, or by Prefect itself where no gateway runs.

What the gateway does needs neither Prefect nor numpy here, and they are not imported: a person waits for it.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from getpass import getuser
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.running.content_forms import Query
from flows.running.prefect_api import prefect_client_settings
from flows.running.settings import load_settings
from gateway.client import Client
from gateway.errors import RunDidNotComplete, WrongInput
from gateway.parameters import full_name, nest_parameters

if TYPE_CHECKING:
    pass

_POLL_SECONDS = 0.2


def search_at_gateway(form: Query) -> dict[str, Any] | None:
    """The hits, from the models that the gateway keeps loaded; None when no gateway answers.

    Raises WrongInput for what the gateway refuses.
    """
    with _gateway(form.project) as client:
        if client is None:
            return None
        hits = client.search(form.words, like=form.like, kinds=form.kinds, labels=form.labels, limit=form.limit)
    return {"hits": [hit.model_dump(mode="json") for hit in hits]}


def do_there(
    deployment: str, parameters: dict[str, Any], project: str, progress: Callable[[float], None]
) -> dict[str, Any]:
    """The report of a run of a deployment: as a job of the gateway where one runs, else straight from Prefect."""
    with _gateway(project) as client:
        if client is not None:
            return client.run(deployment, parameters, progress)
    with prefect_client_settings():
        return asyncio.run(_run(deployment, parameters, project, progress))


@contextmanager
def _gateway(project: str) -> Generator[Client | None]:
    """A client of the gateway; None where none runs."""
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
            placed = nest_parameters(found.parameter_openapi_schema or {}, parameters)
            run = await client.create_flow_run_from_deployment(found.id, parameters=placed, tags=[f"{PERSON_TAG}{getuser()}"])
        except PrefectHTTPStatusError as error:
            raise WrongInput(f"The parameters of {deployment} are refused: {error.response.text[:300]}") from error
        await _finished(client, run.id, progress)
        return await fetch_report(client, open_platform().space(project).store, run.id) or {}


async def _finished(client: Any, run_id: UUID, progress: Callable[[float], None]) -> None:
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
