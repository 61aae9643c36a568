"""Forms: the parameters of flows that people start, as the Prefect UI renders them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def _number_the_fields(schema: dict[str, Any]) -> None:
    # Prefect keeps schemas as JSONB, which forgets the order of keys; the UI sorts by `position`.
    for position, field in enumerate(schema.get("properties", {}).values()):
        field["position"] = position


class Form(BaseModel):
    """A form's fields stand in the UI in the order in which they stand in the class."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_number_the_fields)


def project_field() -> Any:
    """The project that a run works in; the last field of every form."""
    return Field(
        default="default",
        title="Project",
        description="The project that the files and results belong to.",
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
    )


def seed_field() -> Any:
    """What makes the pictures of one prompt differ: 32 bits, as the generators take them."""
    return Field(
        default=1,
        title="Seed",
        description="Another seed gives other pictures of the same prompt.",
        ge=0,
        le=4294967295,
    )
