"""Check the parameter values that a person sends, and decide the one project that a run works in.

This is the only place where the project of a run is decided: after the deployment is resolved, and over its complete
parameters. A project that is named anywhere in them must be that project.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse

from gateway.errors import NotAllowed, WrongInput
from gateway.parameters import admin_fields, field_names, form_fields, nest_parameters
from gateway.tokens import Person

_PUBLIC_POOL = "cpu"
"""The pool of the deployments that people may start."""
_INSTRUCTIONS = ("__", "$")
"""Beginnings of keys that Prefect's server evaluates: templates, variables, JSON in text, references to blocks."""


def scoped_parameters(
    deployment: DeploymentResponse, values: dict[str, Any], project: str, person: Person, *, is_trusted: bool
) -> tuple[str, dict[str, Any]]:
    """Return the project of a run and its complete parameters, in which no other project is named.

    `project` is used unless the values name one. Deployments without a project parameter, or in another pool than
    `cpu`, are for admins, and so are some fields, unless the gateway itself has put the values together (`is_trusted`).
    Raises NotAllowed, NotFound, WrongInput.
    """
    if person.role != "admin" and not is_public(deployment):
        raise NotAllowed(f"The deployment {deployment.name} is for admins.")
    decided = _decide_project(values, project, person)
    schema = deployment.parameter_openapi_schema or {}
    if not is_trusted and person.role != "admin":
        _refuse_admin_fields(deployment.name, schema, values)
    try:
        given = nest_parameters(schema, {name: copy.deepcopy(values[name]) for name in values if name != "project"})
        complete = _with_project(schema, _merged(deployment.parameters or {}, given), decided)
    except (TypeError, AttributeError) as error:
        raise WrongInput(f"The values of {deployment.name} are not right: a form is a JSON object.") from error
    if set(_named_projects(complete)) - {decided}:
        raise NotAllowed(f"The deployment {deployment.name} works in another project than {decided}.")
    return decided, complete


def _refuse_admin_fields(deployment: str, schema: dict[str, Any], values: dict[str, Any]) -> None:
    """Raise NotAllowed if a field that only admins may set is anywhere in the values."""
    reserved = set(admin_fields(schema))
    for field, _ in _entries(values):
        if field in reserved:
            raise NotAllowed(f"Only admins may set {field} of {deployment}: files are sent to /api/artifacts.")


def _merged(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the deployment's own parameters with the given ones in their place, form by form."""
    merged = copy.deepcopy(defaults)
    for name, value in given.items():
        is_form = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = {**merged[name], **value} if is_form else value
    return merged


def _with_project(schema: dict[str, Any], parameters: dict[str, Any], project: str) -> dict[str, Any]:
    """Set the project wherever the schema has one: as a parameter, and in each form. Raises TypeError."""
    scoped = dict(parameters)
    for name in schema.get("properties", {}):
        if name == "project":
            scoped[name] = project
        elif "project" in form_fields(schema, name):
            scoped[name] = {**scoped.get(name, {}), "project": project}
    return scoped


def check_values(values: dict[str, Any]) -> None:
    """Raise WrongInput for what Prefect's server cannot store (NUL characters, NaN), or would evaluate."""
    try:
        text = json.dumps(values, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise WrongInput("The values have a number that is none, such as NaN, or are nested too deeply.") from error
    if "\\u0000" in text:
        raise WrongInput("The values have a NUL character, which no text can have.")
    for key, _ in _entries(values):
        if key.startswith(_INSTRUCTIONS):
            raise WrongInput(f"The values have a field {key[:40]!r}: no field begins with '__' or '$'.")


def is_public(deployment: DeploymentResponse) -> bool:
    """Whether makers may start the deployment: it takes a project and runs in the pool `cpu`."""
    schema = deployment.parameter_openapi_schema or {}
    return deployment.work_pool_name == _PUBLIC_POOL and "project" in field_names(schema)


def has_parameters(run: FlowRun, parameters: dict[str, Any]) -> bool:
    """Whether the run was started with these parameters."""
    return all(run.parameters.get(name) == value for name, value in parameters.items())


def _decide_project(values: dict[str, Any], project: str, person: Person) -> str:
    """Return the one project that the values name, else `project`. Raises NotFound, WrongInput."""
    named = sorted(set(_named_projects(values)))
    if len(named) > 1:
        raise WrongInput(f"The values name {len(named)} projects, and a run works in one: {named[0]}, {named[1]}.")
    return person.resolve_project(named[0] if named else project)


def _named_projects(values: Any) -> Iterator[str]:
    """Yield every project that is named anywhere in the values. Raises WrongInput for one that is no text."""
    for key, value in _entries(values):
        if key == "project":
            if not isinstance(value, str):
                raise WrongInput("A project is named by a text.")
            yield value


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield key and value of every object in a JSON document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner)
