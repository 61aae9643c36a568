"""The base class of forms, and fields that forms share. A form is the parameter of a flow that people start."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def _number_fields(schema: dict[str, Any]) -> None:
    # Prefect stores schemas as JSONB, which loses the order of keys; the UI sorts by `position`.
    for position, field in enumerate(schema.get("properties", {}).values()):
        field["position"] = position


class Form(BaseModel):
    """A form. The UI shows its fields in the order of the class."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_number_fields)


def project_field() -> Any:
    """Return the field for the project that a run works in; it is the last field of every form."""
    return Field(
        default="default",
        title="Project",
        description="The project that the files and results belong to.",
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
    )


def seed_field() -> Any:
    """Return the field for the seed of a picture generation, an unsigned 32-bit integer."""
    return Field(
        default=1,
        title="Seed",
        description="Another seed gives other pictures of the same prompt.",
        ge=0,
        le=4294967295,
    )


def artifact_field(title: str, description: str) -> Any:
    """Return the field for the id of a stored artifact, or the beginning of an id; it may be empty."""
    return Field(default="", title=title, description=description, pattern=r"^([0-9a-f]{8,64})?$")


def recording_field() -> Any:
    """Return the field for the recording that a flow works on."""
    return Field(title="Recording", description="The id of a stored audio or video file.", pattern=r"^[0-9a-f]{8,64}$")


def model_field() -> Any:
    """Return the field for a model to use in place of the profile's."""
    return Field(default="", title="Model", description="A model of the catalogue, or empty for the profile's.")


def file_labels_field() -> Any:
    """Return the field for the labels of ingested files."""
    return Field(default=[], title="Labels", description="Words to find these files by.", max_length=20)
