"""Resolve the model names of OpenAI's clients to models of the catalogue."""

import re
from typing import Literal

from flows.running.platform import Space
from flows.writing.models import resolve_writer, writes
from gateway.client import PROFILE_WRITER
from modalities.errors import UnknownModel

Purpose = Literal["generation", "speech", "passages", "speaking"]
_OPENAI_NAMES: dict[Purpose, re.Pattern[str]] = {
    "generation": re.compile(r"(dall-e|gpt-image|chatgpt-image)(-.*)?"),
    "speech": re.compile(r"whisper-1|gpt-4o(-mini)?-transcribe(-.*)?"),
    "speaking": re.compile(r"tts-1(-.*)?|gpt-4o(-mini)?-tts(-.*)?"),
    "passages": re.compile(r"text-embedding-.+"),
}
"""Names that client programs have built in, of today and tomorrow; each means the profile's model for that purpose."""
_CHAT_NAMES = re.compile(r"(gpt|chatgpt|o\d|codex)(-.*|\d.*)?")
LIBRARY = "library"
"""The model that answers from the library."""
_BASE64_ONLY = re.compile(r"(openai/)?(gpt-image|chatgpt-image).*")
_PREFIX = "openai/"
"""LiteLLM and OpenRouter put it before the names of OpenAI's models."""


def resolve_model(space: Space, name: str | None, purpose: Purpose) -> str:
    """Return the model of the catalogue that a client names; the profile's by default. Raises UnknownModel."""
    bare = (name or "").removeprefix(_PREFIX)
    if bare in space.catalogue.models:
        return bare
    if not bare or _OPENAI_NAMES[purpose].fullmatch(bare):
        return getattr(space.profile, purpose) or ""
    raise UnknownModel(f"The model {name!r} does not exist: GET /v1/models lists those that do.")


def resolve_chat_model(space: Space, name: str | None) -> str:
    """Return the model of a chat: the one that answers from the library by default, or one that writes.

    Raises UnknownModel.
    """
    bare = (name or "").removeprefix(_PREFIX)
    if not bare or bare == LIBRARY or _CHAT_NAMES.fullmatch(bare):
        return LIBRARY
    if bare in space.catalogue.models and not writes(space, bare):
        raise UnknownModel(f"The model {name!r} writes no answers: the model {LIBRARY!r} answers from the library.")
    try:
        return resolve_writer(space, "" if bare == PROFILE_WRITER else bare)
    except UnknownModel as error:
        if bare == PROFILE_WRITER:
            raise
        raise UnknownModel(f"The model {name!r} does not exist: GET /v1/models lists those that do.") from error


def is_answered_in_base64(name: str | None) -> bool:
    """Whether OpenAI's API answers pictures of this model in base64 only, so that clients do not ask for it."""
    return bool(name and _BASE64_ONLY.fullmatch(name))
