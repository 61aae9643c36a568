"""Check the parameter values that a person sends, and confine a run to the person's project."""

import copy
import json
from typing import Any

from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse

from gateway.errors import NotAllowed, WrongInput
from gateway.parameters import field_names, nest_parameters
from gateway.tokens import Person

_PUBLIC_POOL = "cpu"
"""The pool of the deployments that people may start."""


def scoped_parameters(
    deployment: DeploymentResponse, values: dict[str, Any], project: str, person: Person
) -> dict[str, Any]:
    """Return the run's parameters with `project` set. Raises NotAllowed, WrongInput.

    Deployments without a project parameter, or in another pool than `cpu`, are for admins.
    """
    if person.role != "admin" and not is_public(deployment):
        raise NotAllowed(f"The deployment {deployment.name} is for admins.")
    schema, given = deployment.parameter_openapi_schema or {}, copy.deepcopy(values)
    if "project" in field_names(schema):
        given["project"] = project
    try:
        return nest_parameters(schema, given)
    except TypeError as error:
        raise WrongInput(f"The values of {deployment.name} are not right: a form is a JSON object.") from error


def check_values(values: dict[str, Any]) -> None:
    """Raise WrongInput for what Prefect's database cannot store: NUL characters (Postgres) and NaN (JSON)."""
    try:
        text = json.dumps(values, allow_nan=False)
    except ValueError as error:
        raise WrongInput("The values have a number that is none, such as NaN.") from error
    if "\\u0000" in text:
        raise WrongInput("The values have a NUL character, which no text can have.")


def is_public(deployment: DeploymentResponse) -> bool:
    """Whether makers may start the deployment: it takes a project and runs in the pool `cpu`."""
    schema = deployment.parameter_openapi_schema or {}
    return deployment.work_pool_name == _PUBLIC_POOL and "project" in field_names(schema)


def has_parameters(run: FlowRun, parameters: dict[str, Any]) -> bool:
    """Whether the run was started with these parameters."""
    return all(run.parameters.get(name) == value for name, value in parameters.items())
