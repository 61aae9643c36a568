"""Serialize requests and failures as JSON, to pass them to another process through the bucket."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

import modalities.errors
from media.errors import ItemError
from modalities.classification.requests import Classify
from modalities.contract import Request
from modalities.embedding.requests import EmbedImage, EmbedText
from modalities.generation.requests import GenerateImage
from modalities.ocr.requests import ReadText
from modalities.speakers.requests import TellSpeakers
from modalities.speaking.requests import Speak
from modalities.speech.requests import Transcribe, TranscribePiece
from modalities.translation.requests import Translate
from modalities.writing.requests import Write

_TYPES: dict[str, type[Request[Any]]] = {
    kind.__name__: kind
    for kind in (
        Classify,
        EmbedImage,
        EmbedText,
        GenerateImage,
        ReadText,
        Speak,
        TellSpeakers,
        Transcribe,
        TranscribePiece,
        Translate,
        Write,
    )
}


def encode_requests(requests: Sequence[Request[Any]]) -> bytes:
    """Encode requests with the names of their types, as JSON."""
    document = [{"type": type(r).__name__, "request": r.model_dump(mode="json")} for r in requests]
    return json.dumps(document, ensure_ascii=False).encode()


def decode_requests(document: bytes) -> list[Request[Any]]:
    """Decode a document of `encode_requests`."""
    return [_TYPES[entry["type"]].model_validate(entry["request"]) for entry in json.loads(document)]


def request_key(request: Request[Any]) -> str:
    """Return a key of the request itself, which it has even if its model is unusable and it has no recipe."""
    return hashlib.sha256(encode_requests([request])).hexdigest()


def request_from_recipe(recipe: Mapping[str, Any]) -> Request[Any] | None:
    """Rebuild the request of a recipe; None if this version does not know its type or fields any more."""
    request_type = _TYPES.get(str(recipe.get("operator")).rsplit(":", 1)[-1])
    if request_type is None:
        return None
    try:
        named = {name: value for name, value in recipe["request"].items() if name in request_type.model_fields}
        return request_type.model_validate(named)
    except (ValidationError, AttributeError, KeyError):
        return None


def encode_failure(error: ItemError) -> dict[str, str]:
    """Encode an error as its type and message."""
    return {"type": type(error).__name__, "message": str(error)}


def decode_failure(failure: dict[str, str] | None) -> ItemError:
    """Decode an error; a plain ItemError if there is none, or its type is unknown here."""
    if failure is None:
        return ItemError("The models gave no answer and no reason: see the logs of the run.")
    kind = getattr(modalities.errors, failure["type"], ItemError)
    return kind(failure["message"])
