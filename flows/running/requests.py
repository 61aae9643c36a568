"""Requests on their way to another process: a JSON document in the bucket, whose reference travels."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

import modalities.errors
from media.errors import ItemError
from modalities.contract import Request
from modalities.embedding.open_clip import EmbedImage, EmbedText
from modalities.generation.diffusion import GenerateImage
from modalities.speech.transcription import Transcribe, TranscribePiece
from modalities.translation.translator import Translate

_TYPES: dict[str, type[Request[Any]]] = {
    kind.__name__: kind
    for kind in (
        EmbedImage,
        EmbedText,
        GenerateImage,
        Transcribe,
        TranscribePiece,
        Translate,
    )
}


def encode_requests(requests: Sequence[Request[Any]]) -> bytes:
    """The requests with the names of their types, as JSON."""
    document = [{"type": type(r).__name__, "request": r.model_dump(mode="json")} for r in requests]
    return json.dumps(document, ensure_ascii=False).encode()


def decode_requests(document: bytes) -> list[Request[Any]]:
    """What `encode_requests` wrote."""
    return [_TYPES[entry["type"]].model_validate(entry["request"]) for entry in json.loads(document)]


def request_from_recipe(recipe: Mapping[str, Any]) -> Request[Any] | None:
    """The request that a recipe was made of; None when this version does not know it any more."""
    kind = _TYPES.get(str(recipe.get("operator")).rsplit(":", 1)[-1])
    try:
        named = {name: value for name, value in recipe["request"].items() if kind and name in kind.model_fields}
        return kind.model_validate(named) if kind else None
    except (ValidationError, AttributeError, KeyError):
        return None


def encode_failure(error: ItemError) -> dict[str, str]:
    """An error's type and sentence."""
    return {"type": type(error).__name__, "message": str(error)}


def decode_failure(failure: dict[str, str] | None) -> ItemError:
    """The error again; one without a name when the other process gave no reason."""
    if failure is None:
        return ItemError("The models gave no answer and no reason: see the logs of the run.")
    kind = getattr(modalities.errors, failure["type"], ItemError)
    return kind(failure["message"])
