"""The names that OpenAI's clients give models, and the models that answer to them here."""

from typing import Literal

from flows.running.platform import Space
from modalities.errors import UnknownModel

Purpose = Literal["generation", "speech", "passages"]
STAND_INS: dict[Purpose, frozenset[str]] = {
    "generation": frozenset({"dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1-mini"}),
    "speech": frozenset({"whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"}),
    "passages": frozenset({"text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"}),
}
"""Programs have these built in: the profile's model answers in their place."""


def model_named(space: Space, name: str | None, purpose: Purpose) -> str:
    """The model of the catalogue that a client means. Raises UnknownModel."""
    if not name or name in STAND_INS[purpose]:
        return getattr(space.profile, purpose)
    if name not in space.catalogue.models:
        raise UnknownModel(f"The model {name!r} does not exist: GET /v1/models lists those that do.")
    return name
