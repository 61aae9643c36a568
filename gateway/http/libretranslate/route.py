"""A route class that answers errors with LibreTranslate's statuses and bodies."""

from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from flows.running.errors import EXPECTED
from gateway.errors import GatewayError, NotSignedIn
from gateway.http.problems import status_of

_WRONG_KEY, _WRONG_REQUEST = 403, 400


class LibreTranslateRoute(APIRoute):
    """A route that answers a wrong request with 400 and a wrong key with 403."""

    def get_route_handler(self) -> Any:
        handle = super().get_route_handler()

        async def handle_as_libretranslate(request: Request) -> Response:
            try:
                return await handle(request)
            except (*EXPECTED, GatewayError) as error:
                return _answered(error)
            except RequestValidationError as error:
                fault = error.errors()[0]
                field = ".".join(str(part) for part in fault["loc"][1:]) or "the request"
                return _error(_WRONG_REQUEST, f"Invalid request: {field}: {fault['msg']}.")
            except HTTPException as error:
                return _error(error.status_code, str(error.detail))

        return handle_as_libretranslate


def _answered(error: Exception) -> Response:
    status = status_of(error)
    headers: dict[str, str] = {}
    if isinstance(error, NotSignedIn):
        is_missing = "none came" in str(error)
        status = _WRONG_REQUEST if is_missing else _WRONG_KEY
    elif status == 422:
        status = _WRONG_REQUEST
    elif status == 429:
        headers["Retry-After"] = str(max(int(getattr(error, "retry_after_seconds", 1)), 1))
    return _error(status, str(error), headers)


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": message}, status_code=status, headers=headers)
