"""Getting work done for the command line: by the gateway, or by Prefect itself where no gateway runs.

What the gateway does needs neither Prefect nor numpy here, and they are not imported: a person waits for it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from getpass import getuser
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.content_forms import Query
from flows.settings import Settings, load_settings
from gateway.client import Client
from gateway.errors import NotReachable, RunDidNotComplete, WrongInput

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

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


@contextmanager
def prefect_client_settings() -> Generator[None]:
    """Within it, Prefect's client talks to the stack's server. Raises NotReachable."""
    from prefect.exceptions import PrefectHTTPStatusError

    from gateway.prefect_server import REFUSED, api_of, healthy, refused

    settings = load_settings()
    api = api_of(settings)
    if not healthy(api.url):
        raise NotReachable("The Prefect server does not answer: start the stack with `triptych up`, or use --local.")
    with prefect_settings(settings):
        try:
            yield
        except PrefectHTTPStatusError as error:
            if error.response.status_code in REFUSED:
                raise refused(api.url) from error
            raise


@asynccontextmanager
async def prefect_client(settings: Settings) -> AsyncGenerator["PrefectClient"]:
    """A client of the server that the settings name, which need not answer yet. Raises NotReachable."""
    from prefect.client.orchestration import get_client

    with prefect_settings(settings):
        client = get_client()
    async with client:
        yield client


@contextmanager
def prefect_settings(settings: Settings) -> Generator[None]:
    """What begins within it talks to the server that the settings name. Raises NotReachable when they name none."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL, temporary_settings

    from gateway.prefect_server import api_of

    api = api_of(settings)
    # Prefect read its environment when it was imported.
    ours = {PREFECT_API_URL: api.url, PREFECT_API_AUTH_STRING: api.auth_string, PREFECT_API_KEY: api.api_key}
    with temporary_settings({setting: value for setting, value in ours.items() if value}):
        yield


def parameters_of(schema: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Put named values where the deployment's form has them: at the top, or inside its one model."""
    parameters: dict[str, Any] = {}
    properties: dict[str, Any] = schema.get("properties", {})
    definitions: dict[str, Any] = schema.get("definitions", {})
    for name, value in given.items():
        # A form may have a field of its own name, as the text of a text: what is no object is meant for the field.
        is_own_field = not isinstance(value, dict) and name in _fields_of(properties.get(name, {}), definitions)
        if name in properties and not is_own_field:
            parameters[name] = value
            continue
        homes = [outer for outer, inner in properties.items() if name in _fields_of(inner, definitions)]
        if not homes:
            raise WrongInput(f"The deployment has no parameter {name}: it has {', '.join(sorted(fields_of(schema)))}.")
        parameters.setdefault(homes[0], {})[name] = value
    return parameters


def _fields_of(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    references = [schema, *schema.get("allOf", []), *schema.get("anyOf", [])]
    named = [str(part["$ref"]).rsplit("/", 1)[-1] for part in references if "$ref" in part]
    return {field: inner for name in named for field, inner in definitions.get(name, {}).get("properties", {}).items()}


def fields_of(schema: dict[str, Any]) -> set[str]:
    """The names of a deployment's parameters, and of the fields of the forms among them."""
    properties: dict[str, Any] = schema.get("properties", {})
    definitions: dict[str, Any] = schema.get("definitions", {})
    return {*properties, *(field for inner in properties.values() for field in _fields_of(inner, definitions))}


async def _run(
    deployment: str, parameters: dict[str, Any], project: str, progress: Callable[[float], None]
) -> dict[str, Any]:
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    from flows.job import BY
    from flows.platform import open_platform
    from flows.prefect_job import fetch_report

    async with get_client() as client:
        try:
            found = await client.read_deployment_by_name(full_name(deployment))
        except ObjectNotFound as error:
            raise WrongInput(f"There is no deployment {deployment}: see `triptych run --help`.") from error
        try:
            placed = parameters_of(found.parameter_openapi_schema or {}, parameters)
            run = await client.create_flow_run_from_deployment(found.id, parameters=placed, tags=[f"{BY}{getuser()}"])
        except PrefectHTTPStatusError as error:
            raise WrongInput(f"The parameters of {deployment} are refused: {error.response.text[:300]}") from error
        await _finished(client, run.id, progress)
        return await fetch_report(client, open_platform().space(project).store, run.id) or {}


async def _finished(client: Any, run_id: UUID, progress: Callable[[float], None]) -> None:
    from flows.prefect_job import REFUSED, fetch_progress

    while True:
        run = await client.read_flow_run(run_id)
        if run.state and run.state.is_final():
            break
        progress(await fetch_progress(client, run_id))
        await asyncio.sleep(_POLL_SECONDS)
    if run.state.is_completed():
        return
    if run.state.name == REFUSED:
        raise WrongInput(run.state.message or "The request was refused.")
    raise RunDidNotComplete(f"The run {run.name} is {run.state.name}: {run.state.message or 'no reason was given'}")


def full_name(deployment: str) -> str:
    """Prefect's name of a deployment that is called like its flow."""
    return deployment if "/" in deployment else f"{deployment}/{deployment}"
