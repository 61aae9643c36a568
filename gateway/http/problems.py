"""Turn errors into HTTP responses: a status, and a body in the shape of each API (ours, OpenAI's)."""

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
from gateway.errors import AlreadyExists, GatewayError, NotAllowed, NotFound, NotSignedIn, RunDidNotComplete, TooBusy
from modalities.errors import UnknownModel
from storage.errors import ArtifactNotFound, Conflict, ObjectNotFound, TooLarge

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (NotSignedIn, 401),
    (NotAllowed, 403),
    (NotFound, 404),
    (ArtifactNotFound, 404),
    (ObjectNotFound, 404),
    (UnknownModel, 404),
    (AlreadyExists, 409),
    (Conflict, 409),
    (TooLarge, 413),
    (TooBusy, 429),
    (RunDidNotComplete, 502),
    (RunFailed, 502),
)
_LOG = logging.getLogger("uvicorn.error")


class Problem(BaseModel):
    """The error in one sentence."""

    error: str


class OpenAIFault(BaseModel):
    """An error as OpenAI's API describes it."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIProblem(BaseModel):
    """The error body of OpenAI's API."""

    error: OpenAIFault


def handlers() -> dict[Any, Any]:
    """Return the app's exception handlers."""
    known = dict.fromkeys((*EXPECTED, GatewayError), _known_error)
    surrogates = dict.fromkeys((UnicodeEncodeError, PydanticSerializationError), _lone_surrogates)
    others = {HTTPException: _http_error, RequestValidationError: _invalid_request, Exception: _unexpected_error}
    return known | surrogates | others


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error: 503 if a retry can help, 422 for other mistakes of the client."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return 503 if getattr(error, "retryable", False) else 422


def error_response(request: Request, error: Exception) -> Response:
    """Answer an error outside of a route: one of ours, or an HTTPException."""
    if isinstance(error, HTTPException):
        return _respond(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))
    return _answer_known(request, error)


async def _known_error(request: Request, error: Exception) -> Response:
    return _answer_known(request, error)


def _answer_known(request: Request, error: Exception) -> Response:
    """Answer an error whose message is for people."""
    headers: dict[str, str] = {}
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooBusy):
        headers["Retry-After"] = str(max(math.ceil(error.retry_after_seconds), 1))
    return _respond(request, status_of(error), str(error), headers=headers)


async def _http_error(request: Request, error: HTTPException) -> Response:
    return error_response(request, error)


async def _invalid_request(request: Request, error: RequestValidationError) -> Response:
    fault = error.errors()[0]
    path = [str(part) for part in fault["loc"] if part not in ("body", "query", "path", "header")]
    field = ".".join(path) or "the request"
    return _respond(request, 422, f"{field} is not right: {fault['msg']}.", param=field)


async def _lone_surrogates(request: Request, _error: Exception) -> Response:
    return _respond(request, 422, "The request has characters that are no text (lone surrogates).")


async def _unexpected_error(request: Request, error: Exception) -> Response:
    _LOG.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return _respond(request, 500, f"The gateway failed: {type(error).__name__}. See its log.")


def _respond(
    request: Request, status: int, message: str, *, param: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    message = message.encode(errors="replace").decode()  # it may quote lone surrogates from the request
    if request.url.path.startswith("/v1/"):
        status = 400 if status == 422 else status
        fault = openai_fault(status, message, param)
        return JSONResponse(OpenAIProblem(error=fault).model_dump(), status_code=status, headers=headers)
    return JSONResponse({"error": message}, status_code=status, headers=headers)


def openai_fault(status: int, message: str, param: str | None = None) -> OpenAIFault:
    """Return the description of an error as OpenAI's API gives it."""
    return OpenAIFault(message=message, type=_openai_type(status), param=param, code=_openai_code(status))


def _openai_type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    if status == 403:
        return "permission_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def _openai_code(status: int) -> str | None:
    return {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}.get(status)
