"""The door: sign in with a token, sign out, choose language and light."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from gateway.gallery.page import LANGUAGE, THEME, Reader, local_address, see
from gateway.gallery.route import GalleryRoute
from gateway.http.access import (
    delete_token_cookie,
    is_cross_origin_write,
    optional_person,
    person_by_token,
    services_of,
    set_token_cookie,
)

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)
_YEAR_SECONDS = 365 * 24 * 3600


@router.get("/sign-in")
async def door(request: Request, back: str = "/") -> Response:
    """The page that asks for a token."""
    reader = Reader(request, await optional_person(request))
    return see(local_address(back)) if reader.person else _ask(reader, back)


@router.post("/sign-in")
async def sign_in(request: Request, token: Annotated[str, Form()] = "", back: Annotated[str, Form()] = "/") -> Response:
    """Keep a right token in a cookie."""
    _from_here(request)
    services = services_of(request)
    address = request.client.host if request.client else ""
    services.limits.check_address(address)
    if await run_in_threadpool(person_by_token, services, token.strip()) is None:
        services.limits.count_failure(address)
        reader = Reader(request)
        return _ask(reader, back, reader.say("This token is not right, or it was revoked."))
    answer = see(local_address(back))
    set_token_cookie(answer, request, token.strip())
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Forget the token."""
    _from_here(request)
    answer = see("/sign-in")
    delete_token_cookie(answer)
    return answer


@router.post("/preferences")
async def prefer(
    request: Request,
    language: Annotated[str | None, Form()] = None,
    theme: Annotated[str | None, Form()] = None,
    back: Annotated[str, Form()] = "/",
) -> Response:
    """Remember a language, or light or dark, and go back."""
    _from_here(request)
    answer = see(local_address(back))
    secure = request.url.scheme == "https"
    for name, value in ((LANGUAGE, language), (THEME, theme)):
        if value is not None and value.replace("-", "").isalpha() | (not value):
            answer.set_cookie(name, value, max_age=_YEAR_SECONDS, samesite="strict", httponly=True, secure=secure)
    return answer


def _ask(reader: Reader, back: str, fault: str = "") -> Response:
    return reader.page("sign_in.html", status=403 if fault else 200, back=local_address(back), fault=fault)


def _from_here(request: Request) -> None:
    if is_cross_origin_write(request):
        raise HTTPException(403, "The form came from another site.")
