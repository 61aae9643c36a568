"""The base class of forms, and fields that forms share. A form is the parameter of a flow that people start."""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ADMINS_ONLY = "admins_only"
"""Mark of a field in the JSON schema of a form: the gateway lets admins alone set it."""


def _number_fields(schema: dict[str, Any]) -> None:
    # Prefect stores schemas as JSONB, which loses the order of keys; the UI sorts by `position`.
    for position, field in enumerate(schema.get("properties", {}).values()):
        field["position"] = position


LanguageTag = Annotated[str, Field(min_length=2, max_length=12)]
OptionalLanguageTag = Annotated[str, Field(max_length=12)]


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
    """Return the field for the seed of a picture generation, an unsigned 64-bit integer."""
    return Field(
        default=1,
        title="Seed",
        description="Another seed gives other pictures of the same prompt.",
        ge=0,
        le=18446744073709551615,
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


def spoken_language_field() -> Any:
    """Return the field for the language of a recording, in any form in which people name one."""
    return Field(
        default="", title="Spoken language", description="Such as en, de or zh; empty to detect it.", max_length=40
    )


def language_field(title: str, description: str, *, default: Any, of: Literal["sources", "targets"]) -> Any:
    """Return the field for a language or a list of them; the form offers those of the profile's models.

    Any other BCP 47 tag of a language that a model knows may be written instead, such as zh-TW.
    """
    return Field(
        default=default,
        title=title,
        description=description,
        json_schema_extra=lambda schema: _offer_languages(schema, profile_languages(of)),
    )


@cache
def profile_languages(of: Literal["sources", "targets"]) -> tuple[str, ...]:
    """List the languages that the profile's models translate from or to; none if there is no valid profile here."""
    from flows.running.settings import load_model_settings
    from modalities.errors import InvalidCatalogue
    from modalities.models.catalogue import load_catalogue
    from modalities.translation.routes import list_sources, list_targets

    try:
        settings = load_model_settings()
        catalogue = load_catalogue(settings.models_config, settings.profile)
        return tuple(list_sources(catalogue) if of == "sources" else list_targets(catalogue))
    except InvalidCatalogue:
        return ()


def _offer_languages(schema: dict[str, Any], languages: Sequence[str]) -> None:
    """Let a form choose among languages, or write another: the schema that Prefect checks values with allows both."""
    if not languages:
        return
    one = schema.get("items", schema)
    free = {key: one.pop(key) for key in ("type", "minLength", "maxLength") if key in one}
    choices = [*([""] if schema.get("default") == "" else []), *languages]
    one["anyOf"] = [
        {"type": "string", "enum": choices, "title": "Languages of the models"},
        {**free, "title": "Another tag"},
    ]


def prompt_field() -> Any:
    """Return the field for the text that a transcript continues."""
    return Field(
        default="",
        title="Prompt",
        description="A text in the style of the transcript, with names as they are written.",
        max_length=4000,
    )


def vocabulary_field() -> Any:
    """Return the field for words that are likely in a recording."""
    return Field(
        default=[], title="Vocabulary", description="Names and words that are likely to be said.", max_length=200
    )


def vad_field() -> Any:
    """Return the field for the detection of voice activity before transcription."""
    return Field(
        default="model",
        title="Leave out what is no speech",
        description="on or off; off for songs and speech under music; model is its own way.",
    )


def style_field() -> Any:
    """Return the field for the rules that subtitles keep."""
    return Field(
        default="netflix",
        title="Style of subtitles",
        description="Whose rules they keep: netflix, bbc, or plain for the times as they are said.",
    )
