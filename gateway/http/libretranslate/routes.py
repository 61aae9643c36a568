"""/translate, /detect and /languages. Bodies are JSON or forms, and the token may be the field `api_key`."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from flows.running.content_forms import Text
from flows.running.platform import Space
from gateway.errors import WrongInput
from gateway.forms import fill_form
from gateway.http.access import Caller, Maker, Viewer
from gateway.http.body_limits import body_limit
from gateway.http.fields import read_fields
from gateway.http.libretranslate.html_text import split_html
from modalities.errors import UnknownLanguage, UnsupportedLanguagePair
from modalities.translation.languages import english_name, likely_languages
from modalities.translation.routes import list_languages, route

router = APIRouter(tags=["LibreTranslate"])
_DEPLOYMENT = "translate-text"
_AUTO = "auto"
QueryText = Annotated[str, Field(max_length=100_000)]
Fields = Annotated[dict[str, Any], Depends(read_fields)]


class TranslateFields(BaseModel):
    """The texts to translate. `alternatives` is accepted, but there is only one translation."""

    model_config = ConfigDict(extra="ignore")

    q: QueryText | Annotated[list[QueryText], Field(min_length=1, max_length=500)]
    source: str = Field(min_length=2, max_length=12, description="Such as en, or auto.")
    target: str = Field(min_length=2, max_length=12)
    format: Literal["text", "html"] = "text"
    alternatives: int = Field(default=0, ge=0, le=100)
    api_key: str | None = None


class DetectFields(BaseModel):
    """The texts whose language to detect."""

    model_config = ConfigDict(extra="ignore")

    q: QueryText | Annotated[list[QueryText], Field(min_length=1, max_length=500)]
    api_key: str | None = None


class Detected(BaseModel):
    """A detected language and its confidence in percent."""

    confidence: float
    language: str


class Translated(BaseModel):
    """The translation; a list if `q` was a list."""

    translatedText: str | list[str]  # noqa: N815
    detectedLanguage: Detected | list[Detected] | None = None  # noqa: N815
    alternatives: list[str] | list[list[str]] | None = None


class LanguageOut(BaseModel):
    """A source language, and the target languages it can be translated to."""

    code: str
    name: str
    targets: list[str]


def _request_body(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    kinds = ("application/json", "application/x-www-form-urlencoded")
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}}


@router.post("/translate", response_model_exclude_none=True, openapi_extra=_request_body(TranslateFields))
@body_limit(8_000_000)
async def translate(caller: Maker, fields: Fields) -> Translated:
    """Translate a text, or each text of a list."""
    asked = fill_form(TranslateFields, **fields)
    many = isinstance(asked.q, list)
    texts = asked.q if isinstance(asked.q, list) else [asked.q]
    detected = await run_in_threadpool(_detect, "\n".join(texts))
    source = detected[0].language if asked.source == _AUTO and detected else asked.source
    translated = texts if source == _AUTO else await _translate_texts(caller, texts, source, asked)
    shown = detected[0] if detected else Detected(confidence=0, language=_AUTO)
    return Translated(
        translatedText=translated if many else translated[0],
        detectedLanguage=None if asked.source != _AUTO else [shown] * len(texts) if many else shown,
        alternatives=None if not asked.alternatives else [[]] * len(texts) if many else [],
    )


@router.post("/detect", openapi_extra=_request_body(DetectFields))
async def detect(_caller: Viewer, fields: Fields) -> list[Detected]:
    """Detect the most likely languages of a text."""
    asked = fill_form(DetectFields, **fields)
    text = "\n".join(asked.q) if isinstance(asked.q, list) else asked.q
    return await run_in_threadpool(_detect, text)


@router.get("/languages")
def languages(caller: Viewer) -> list[LanguageOut]:
    """List the source languages and their targets."""
    space = caller.space
    known = list_languages(space.catalogue)
    return [
        LanguageOut(
            code=source,
            name=english_name(source).title(),
            targets=[target for target in known if target == source or _has_route(space, source, target)],
        )
        for source in known
    ]


async def _translate_texts(caller: Caller, texts: Sequence[str], source: str, asked: TranslateFields) -> list[str]:
    """Translate all lines of all texts in one job. Raises WrongInput if the numbers of lines differ."""
    split = [split_html(text) if asked.format == "html" else (text.split("\n"), "\n".join) for text in texts]
    lines = [line for parts, _ in split for line in parts]
    translated = lines
    if any(line.strip() for line in lines):
        form = fill_form(Text, text="\n".join(lines), source=source, target=asked.target, project=caller.project)
        jobs = caller.services.jobs
        await run_in_threadpool(route, caller.space.catalogue, source, asked.target)
        job = await jobs.start(caller.person, caller.project, _DEPLOYMENT, {"text": form.model_dump(mode="json")})
        translated = str((await jobs.wait_for_result(caller.project, job.id))["text"]).split("\n")
    if len(translated) != len(lines):
        raise WrongInput("The text could not be translated line by line.")
    rest = iter(translated)
    return [join([next(rest) for _ in parts]) for parts, join in split]


def _detect(text: str) -> list[Detected]:
    return [Detected(confidence=round(share * 100, 1), language=tag) for tag, share in likely_languages(text)]


def _has_route(space: Space, source: str, target: str) -> bool:
    try:
        return bool(route(space.catalogue, source, target))
    except (UnsupportedLanguagePair, UnknownLanguage):
        return False
