"""Arrange named values as the parameters of a deployment, by its JSON schema."""

import re
from collections.abc import Iterator
from typing import Any

from flows.running.form import ADMINS_ONLY
from gateway.errors import NotFound, WrongInput

_NAME = re.compile(r"[\w.-][\w. -]{0,99}")


def nest_parameters(schema: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the run's parameters: each value at the top level, or inside the form that has a field of its name.

    Raises WrongInput for a name that the schema does not have.
    """
    parameters: dict[str, Any] = {}
    properties: dict[str, Any] = schema.get("properties", {})
    definitions: dict[str, Any] = schema.get("definitions", {})
    for name, value in given.items():
        # A form may have a field of its own name (`text.text`): a value that is no object is meant for the field.
        is_own_field = not isinstance(value, dict) and name in _fields_of(properties.get(name, {}), definitions)
        if name in properties and not is_own_field:
            parameters[name] = value
            continue
        forms = [outer for outer, inner in properties.items() if name in _fields_of(inner, definitions)]
        if not forms:
            raise WrongInput(
                f"The deployment has no parameter {name}: it has {', '.join(sorted(field_names(schema)))}."
            )
        parameters.setdefault(forms[0], {})[name] = value
    return parameters


def _fields_of(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    references = [schema, *schema.get("allOf", []), *schema.get("anyOf", [])]
    named = [str(part["$ref"]).rsplit("/", 1)[-1] for part in references if "$ref" in part]
    return {field: inner for name in named for field, inner in definitions.get(name, {}).get("properties", {}).items()}


def form_fields(schema: dict[str, Any], parameter: str) -> dict[str, Any]:
    """Return the fields of the form that a parameter is, with the schema of each; none if it is no form."""
    return _fields_of(schema.get("properties", {}).get(parameter, {}), schema.get("definitions", {}))


def field_names(schema: dict[str, Any]) -> set[str]:
    """Return the names of a deployment's parameters and of the fields of its forms."""
    properties: dict[str, Any] = schema.get("properties", {})
    definitions: dict[str, Any] = schema.get("definitions", {})
    return {*properties, *(field for inner in properties.values() for field in _fields_of(inner, definitions))}


def admin_fields(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the fields of a deployment's forms that only admins may set."""
    for name in schema.get("properties", {}):
        for field, facts in form_fields(schema, name).items():
            if isinstance(facts, dict) and facts.get(ADMINS_ONLY):
                yield field


def full_name(deployment: str) -> str:
    """Return Prefect's FLOW/DEPLOYMENT name; a bare name means that both are called the same.

    Raises NotFound for a name that no deployment can have, such as one that would be another address of the API.
    """
    parts = deployment.split("/") if "/" in deployment else [deployment, deployment]
    if len(parts) != 2 or not all(_NAME.fullmatch(part) and part.strip(".") for part in parts):
        raise NotFound(f"There is no deployment {deployment}: GET /api/deployments lists them.")
    return "/".join(parts)
