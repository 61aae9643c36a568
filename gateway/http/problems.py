"""Errors on their way to clients: a status, and a body in the shape that each API's clients read."""

import logging
import math
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError
from starlette.exceptions import HTTPException

from flows.running.errors import EXPECTED, RunFailed
from gateway.errors import AlreadyThere, GatewayError, NotAllowed, NotSignedIn, NotThere, RunDidNotComplete, TooBusy
from modalities.errors import UnknownModel
from storage.errors import ArtifactNotFound, Conflict, ObjectNotFound, TooLarge

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (NotSignedIn, 401),
    (NotAllowed, 403),
    (NotThere, 404),
    (ArtifactNotFound, 404),
    (ObjectNotFound, 404),
    (UnknownModel, 404),
    (AlreadyThere, 409),
    (Conflict, 409),
    (TooLarge, 413),
    (TooBusy, 429),
    (RunDidNotComplete, 502),
    (RunFailed, 502),
)
_LOG = logging.getLogger("uvicorn.error")


class Problem(BaseModel):
    """What went wrong, in one sentence."""

    error: str


class OpenAIFault(BaseModel):
    """OpenAI's description of what went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIProblem(BaseModel):
    """OpenAI's shape of an error."""

    error: OpenAIFault


def handlers() -> dict[Any, Any]:
    """The app's exception handlers."""
    known = dict.fromkeys((*EXPECTED, GatewayError), _explained)
    no_text = dict.fromkeys((UnicodeEncodeError, PydanticSerializationError), _no_text)
    return known | no_text | {HTTPException: _refused, RequestValidationError: _invalid, Exception: _unexpected}


def status_of(error: Exception) -> int:
    """The status that stands for an error."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return 503 if getattr(error, "retryable", False) else 422


async def _explained(request: Request, error: Exception) -> Response:
    """A person's mistake, or a part that is away for a while, in one sentence."""
    headers: dict[str, str] = {}
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooBusy):
        headers["Retry-After"] = str(max(math.ceil(error.retry_after_seconds), 1))
    return _answer(request, status_of(error), str(error), headers=headers)


async def _refused(request: Request, error: HTTPException) -> Response:
    return _answer(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    fault = error.errors()[0]
    place = [str(part) for part in fault["loc"] if part not in ("body", "query", "path", "header")]
    field = ".".join(place) or "the request"
    return _answer(request, 422, f"{field} is not right: {fault['msg']}.", param=field)


async def _no_text(request: Request, _error: Exception) -> Response:
    return _answer(request, 422, "The request has characters that are no text (lone surrogates).")


async def _unexpected(request: Request, error: Exception) -> Response:
    _LOG.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(request, 500, f"The gateway failed: {type(error).__name__}. See its log.")


def _answer(
    request: Request, status: int, message: str, *, param: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    message = message.encode(errors="replace").decode()  # what people sent may be quoted in it, and be no text
    if request.url.path.startswith("/v1/"):
        status = 400 if status == 422 else status
        fault = openai_fault(status, message, param)
        return JSONResponse(OpenAIProblem(error=fault).model_dump(), status_code=status, headers=headers)
    return JSONResponse({"error": message}, status_code=status, headers=headers)


def openai_fault(status: int, message: str, param: str | None = None) -> OpenAIFault:
    """An error in OpenAI's words."""
    return OpenAIFault(message=message, type=_openai_type(status), param=param, code=_openai_code(status))


def _openai_type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    if status == 403:
        return "permission_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def _openai_code(status: int) -> str | None:
    return {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}.get(status)
