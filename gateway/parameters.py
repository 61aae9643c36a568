"""The parameters of a deployment, filled in from named values."""

from typing import Any

from gateway.errors import WrongInput


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


def full_name(deployment: str) -> str:
    """Prefect's name of a deployment that is called like its flow."""
    return deployment if "/" in deployment else f"{deployment}/{deployment}"
