"""Routes of the gallery: what goes wrong becomes a page with one sentence, or JSON for the gallery's own scripts."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from flows.running.errors import EXPECTED
from gateway.errors import GatewayError, NotSignedIn
from gateway.gallery.page import Reader, see
from gateway.http.access import optional_person
from gateway.http.problems import status_of

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GalleryRoute(APIRoute):
    """A route whose errors people read."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def explained(request: Request) -> Response:
            try:
                return await handle(request)
            except NotSignedIn as error:
                return _to_the_door(request, str(error))
            except (*EXPECTED, GatewayError) as error:
                return await _fault(request, status_of(error), str(error))
            except RequestValidationError as error:
                field = ".".join(str(part) for part in error.errors()[0]["loc"][1:])
                return await _fault(request, 422, f"{field}: {error.errors()[0]['msg']}.")
            except HTTPException as error:
                return await _fault(request, error.status_code, str(error.detail))

        return explained


def wants_json(request: Request) -> bool:
    """Whether a script asks, not a person."""
    return request.headers.get("accept", "").startswith("application/json")


def _to_the_door(request: Request, sentence: str) -> Response:
    if wants_json(request):
        return JSONResponse({"error": sentence}, status_code=401)
    if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
        return Response(sentence, status_code=401, media_type="text/plain")
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return see("/sign-in" if address == "/" else f"/sign-in?back={quote(address, safe='')}")


async def _fault(request: Request, status: int, sentence: str) -> Response:
    if wants_json(request):
        return JSONResponse({"error": sentence}, status_code=status)
    reader = Reader(request, await optional_person(request))
    heading = "There is no such thing" if status == 404 else "That did not work"
    return reader.page("fault.html", status=status, heading=reader.say(heading), sentence=sentence)
