"""Arrange named values as the parameters of a deployment, by its JSON schema."""

from typing import Any

from gateway.errors import WrongInput


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


def field_names(schema: dict[str, Any]) -> set[str]:
    """Return the names of a deployment's parameters and of the fields of its forms."""
    properties: dict[str, Any] = schema.get("properties", {})
    definitions: dict[str, Any] = schema.get("definitions", {})
    return {*properties, *(field for inner in properties.values() for field in _fields_of(inner, definitions))}


def full_name(deployment: str) -> str:
    """Return Prefect's FLOW/DEPLOYMENT name; a bare name means that both are called the same."""
    return deployment if "/" in deployment else f"{deployment}/{deployment}"
