"""/translate, /detect, /languages and /frontend/settings, as LibreTranslate's clients know them.

Bodies are JSON or forms; fields may be in the query, too. Listing languages needs no key.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from gateway.forms import fill_form
from gateway.http.access import Viewer, services_of
from gateway.http.body_limits import body_limit
from gateway.http.fields import read_fields
from gateway.http.languages import AUTO, LanguageOut, known_code
from gateway.http.libretranslate.answers import Asked, translate_texts
from gateway.http.libretranslate.route import LibreTranslateRoute
from media.rewriting.rewrite import FORMATS
from modalities.translation.detection import likely_languages
from modalities.translation.routes import list_sources

router = APIRouter(tags=["LibreTranslate"], route_class=LibreTranslateRoute)
_MOST_ALTERNATIVES = 10
_FRONTEND_TIMEOUT_MS = 500
QueryText = Annotated[str, Field(max_length=100_000)]
Texts = QueryText | Annotated[list[QueryText], Field(min_length=1, max_length=500)]


async def _all_fields(request: Request) -> dict[str, Any]:
    """Return the fields of the query and the body."""
    return {**dict(request.query_params), **await read_fields(request)}


Fields = Annotated[dict[str, Any], Depends(_all_fields)]


class TranslateFields(BaseModel):
    """The texts to translate."""

    model_config = ConfigDict(extra="ignore")

    q: Texts
    source: str = Field(default=AUTO, min_length=2, max_length=12, description="Such as en, or auto.")
    target: str = Field(min_length=2, max_length=12)
    format: Literal["text", "html"] = "text"
    alternatives: int = Field(default=0, ge=0, le=100, description="Other translations, at most ten.")
    api_key: str | None = None


class DetectFields(BaseModel):
    """The texts whose language to detect."""

    model_config = ConfigDict(extra="ignore")

    q: Texts
    api_key: str | None = None


class Detected(BaseModel):
    """A detected language and its confidence in percent."""

    confidence: float
    language: str


class Translated(BaseModel):
    """The translation; a list if `q` was a list. `doubts` says, for each text, why it may be wrong; empty if not."""

    translatedText: str | list[str]  # noqa: N815
    detectedLanguage: Detected | list[Detected] | None = None  # noqa: N815
    alternatives: list[str] | list[list[str]] | None = None
    doubts: list[str] | list[list[str]] | None = None


def _request_body(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    kinds = ("application/json", "application/x-www-form-urlencoded")
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}}


@router.post("/translate", response_model_exclude_none=True, openapi_extra=_request_body(TranslateFields))
@body_limit(8_000_000)
async def translate(caller: Viewer, fields: Fields) -> Translated:
    """Translate a text, or each text of a list."""
    asked = fill_form(TranslateFields, **fields)
    many = isinstance(asked.q, list)
    texts = asked.q if isinstance(asked.q, list) else [asked.q]
    known = list_sources(caller.space.catalogue)
    detected = await run_in_threadpool(_detect_each, texts, known) if asked.source == AUTO else []
    answers = await translate_texts(
        caller,
        [
            Asked(text, detected[n].language if detected else known_code(asked.source), asked.format)
            for n, text in enumerate(texts)
        ],
        known_code(asked.target),
        min(asked.alternatives, _MOST_ALTERNATIVES),
    )
    said = [each.text for each in answers]
    others, doubts = [list(each.others) for each in answers], [list(each.doubts) for each in answers]
    return Translated(
        translatedText=said if many else said[0],
        detectedLanguage=None if not detected else detected if many else detected[0],
        alternatives=None if not asked.alternatives else others if many else others[0],
        doubts=None if not any(doubts) else doubts if many else doubts[0],
    )


@router.post("/detect", openapi_extra=_request_body(DetectFields))
async def detect(caller: Viewer, fields: Fields) -> list[Detected]:
    """Detect the most likely languages of a text."""
    asked = fill_form(DetectFields, **fields)
    text = "\n".join(asked.q) if isinstance(asked.q, list) else asked.q
    return await run_in_threadpool(_detect, text, list_sources(caller.space.catalogue))


@router.get("/languages")
def languages(request: Request) -> list[LanguageOut]:
    """List the source languages and their targets. Needs no key."""
    return services_of(request).languages


@router.get("/frontend/settings")
def frontend_settings(request: Request) -> dict[str, Any]:
    """Say what a page that translates should offer. Needs no key."""
    first = next((each for each in services_of(request).languages if each.code != "en"), None)
    target = {"code": first.code, "name": first.name} if first else {"code": "en", "name": "English"}
    return {
        "apiKeys": True,
        "keyRequired": True,
        "charLimit": 100_000,
        "filesTranslation": True,
        "frontendTimeout": _FRONTEND_TIMEOUT_MS,
        "language": {"source": {"code": AUTO, "name": "Auto Detect"}, "target": target},
        "suggestions": False,
        "supportedFilesFormat": list(FORMATS),
    }


def _detect_each(texts: Sequence[str], known: Sequence[str]) -> list[Detected]:
    """Detect the language of each text. A short text of a list gets the language of the whole list."""
    whole = _detect("\n".join(texts), known)
    if len(texts) == 1:
        return whole
    return [_detect(text, known)[0] if len(text) > 40 else whole[0] for text in texts]


def _detect(text: str, known: Sequence[str]) -> list[Detected]:
    """List the likely languages of a text; of one without words, the first that is known, with no confidence."""
    likely = likely_languages(text, known)
    found = [Detected(confidence=round(share * 100, 1), language=tag) for tag, share in likely]
    return found or [Detected(confidence=0, language="en")]
