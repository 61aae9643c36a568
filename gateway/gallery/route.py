"""A route class that turns errors into an error page, or into JSON for the gallery's own scripts."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from flows.running.errors import EXPECTED
from gateway.errors import GatewayError, NotSignedIn
from gateway.gallery.page import PageRenderer, redirect_to
from gateway.http.access import optional_person
from gateway.http.problems import status_of

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GalleryRoute(APIRoute):
    """A route that shows errors as a page with one sentence."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_with_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except NotSignedIn as error:
                return _require_sign_in(request, str(error))
            except (*EXPECTED, GatewayError) as error:
                return await _error_response(request, status_of(error), str(error))
            except RequestValidationError as error:
                field = ".".join(str(part) for part in error.errors()[0]["loc"][1:])
                return await _error_response(request, 422, f"{field}: {error.errors()[0]['msg']}.")
            except HTTPException as error:
                return await _error_response(request, error.status_code, str(error.detail))

        return handle_with_errors


def wants_json(request: Request) -> bool:
    """Whether the request was sent by a script of the gallery."""
    return request.headers.get("accept", "").startswith("application/json")


def _require_sign_in(request: Request, sentence: str) -> Response:
    if wants_json(request):
        return JSONResponse({"error": sentence}, status_code=401)
    if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
        return Response(sentence, status_code=401, media_type="text/plain")
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return redirect_to("/sign-in" if address == "/" else f"/sign-in?back={quote(address, safe='')}")


async def _error_response(request: Request, status: int, sentence: str) -> Response:
    if wants_json(request):
        return JSONResponse({"error": sentence}, status_code=status)
    renderer = PageRenderer(request, await optional_person(request))
    heading = "There is no such thing" if status == 404 else "That did not work"
    return renderer.page("error.html", status=status, heading=renderer.translate(heading), sentence=sentence)
