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


def artifact_field(title: str, description: str) -> Any:
    """The id of a stored artifact, or its beginning; it may be left empty."""
    return Field(default="", title=title, description=description, pattern=r"^([0-9a-f]{8,64})?$")


def recording_field() -> Any:
    """The recording that a flow works on."""
    return Field(title="Recording", description="The id of a stored audio or video file.", pattern=r"^[0-9a-f]{8,64}$")


def model_field() -> Any:
    """The model to use in place of the profile's."""
    return Field(default="", title="Model", description="A model of the catalogue, or empty for the profile's.")


def file_labels_field() -> Any:
    """What files that are taken in are labelled with."""
    return Field(default=[], title="Labels", description="Words to find these files by.", max_length=20)
