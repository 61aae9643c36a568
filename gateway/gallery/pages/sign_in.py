"""Sign in with a token, sign out, and choose language and theme."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool

from gateway.gallery.page import LANGUAGE_COOKIE, THEME_COOKIE, PageRenderer, local_address, redirect_to
from gateway.gallery.route import GalleryRoute
from gateway.http.access import (
    count_wrong_token,
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
async def show_form(request: Request, back: str = "/") -> Response:
    """Show the sign-in form, or redirect a person who is signed in."""
    renderer = PageRenderer(request, await optional_person(request))
    return redirect_to(local_address(back)) if renderer.person else _form_page(renderer, back)


@router.post("/sign-in")
async def sign_in(request: Request, token: Annotated[str, Form()] = "", back: Annotated[str, Form()] = "/") -> Response:
    """Check the token, and store it in a cookie."""
    _refuse_cross_site(request)
    services = services_of(request)
    if await run_in_threadpool(person_by_token, services, token.strip()) is None:
        count_wrong_token(request)
        renderer = PageRenderer(request)
        return _form_page(renderer, back, renderer.translate("This token is not right, or it was revoked."))
    answer = redirect_to(local_address(back))
    set_token_cookie(answer, request, token.strip())
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Delete the cookie with the token."""
    _refuse_cross_site(request)
    answer = redirect_to("/sign-in")
    delete_token_cookie(answer)
    return answer


@router.post("/preferences")
async def set_preferences(
    request: Request,
    language: Annotated[str | None, Form()] = None,
    theme: Annotated[str | None, Form()] = None,
    back: Annotated[str, Form()] = "/",
) -> Response:
    """Store language and theme in cookies, and redirect back."""
    _refuse_cross_site(request)
    answer = redirect_to(local_address(back))
    secure = request.url.scheme == "https"
    for name, value in ((LANGUAGE_COOKIE, language), (THEME_COOKIE, theme)):
        if value is not None and value.replace("-", "").isalpha() | (not value):
            answer.set_cookie(name, value, max_age=_YEAR_SECONDS, samesite="strict", httponly=True, secure=secure)
    return answer


def _form_page(renderer: PageRenderer, back: str, error: str = "") -> Response:
    return renderer.page("sign_in.html", status=403 if error else 200, back=local_address(back), error=error)


def _refuse_cross_site(request: Request) -> None:
    if is_cross_origin_write(request):
        raise HTTPException(403, "The form came from another site.")
