"""Resolve the model names of OpenAI's clients to models of the catalogue."""

from typing import Literal

from flows.running.platform import Space
from modalities.errors import UnknownModel

Purpose = Literal["generation", "speech", "passages"]
OPENAI_NAMES: dict[Purpose, frozenset[str]] = {
    "generation": frozenset({"dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1-mini"}),
    "speech": frozenset({"whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"}),
    "passages": frozenset({"text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"}),
}
"""Names that client programs have built in; each means the profile's model for that purpose."""


def resolve_model(space: Space, name: str | None, purpose: Purpose) -> str:
    """Return the model of the catalogue that a client names; the profile's by default. Raises UnknownModel."""
    if not name or name in OPENAI_NAMES[purpose]:
        return getattr(space.profile, purpose)
    if name not in space.catalogue.models:
        raise UnknownModel(f"The model {name!r} does not exist: GET /v1/models lists those that do.")
    return name
