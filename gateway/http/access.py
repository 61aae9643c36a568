"""Authenticate and authorize requests: the person, their role, and the project they work in.

A token arrives as a bearer header (our and OpenAI's clients), in an HttpOnly cookie (the gallery), or, on the paths of
LibreTranslate, in a header of its clients or as the field `api_key`. The token in the settings belongs to the embedded
stack; the command line uses it.
"""

import logging
import secrets
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.background import BackgroundTask

from flows.running.platform import Space
from flows.suggesting.interactions import Action, Interactions
from gateway.errors import NotAllowed, NotSignedIn
from gateway.http.body_limits import api_routes
from gateway.http.fields import read_fields
from gateway.http.services import Services
from gateway.tokens import Person, Role
from storage.errors import StorageError

COOKIE = "triptych_token"
_LOG = logging.getLogger("uvicorn.error")
LIBRETRANSLATE = frozenset({"/translate", "/detect", "/languages", "/translate_file"})
"""Paths whose token may also be in a header of `_KEY_HEADERS`, bare in Authorization, or the field `api_key`."""
_KEY_HEADERS = ("x-api-key", "api-key")
_PERSON = "triptych.person"
_COOKIE_SECONDS = 30 * 24 * 3600
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ROLES: dict[Any, Role] = {}
"""The role that each dependency made by `require_role` asks for."""
_bearer = HTTPBearer(auto_error=False, description="A token of `triptych token create`.")


@dataclass(frozen=True)
class Caller:
    """An authenticated person and the project of the request."""

    person: Person
    project: str
    services: Services

    @property
    def space(self) -> Space:
        return self.services.platform.space(self.project)

    def noting(self, artifact: str, action: Action) -> BackgroundTask:
        """Return a task for after the response that keeps what the person did, where the project keeps it."""

        def note() -> None:
            interactions = Interactions(self.services.platform.bucket, self.project)
            try:
                if interactions.are_kept():
                    sha256 = self.space.records.resolve(artifact).artifact.sha256
                    interactions.note(self.person.name, sha256, action)
            except StorageError as error:
                _LOG.warning("that something was %s is not kept for suggestions: %s", action, error)

        return BackgroundTask(note)

    def in_project(self, project: str | None) -> "Caller":
        """Return the caller in another project. Raises NotFound unless the person may work there."""
        return Caller(self.person, self.person.resolve_project(project or self.project), self.services)


def services_of(request: Request) -> Services:
    """Return the app's services."""
    return request.app.state.services


async def authenticate(request: Request) -> Person:
    """Return the person of the request's token. Raises NotSignedIn, TooBusy."""
    if _PERSON in request.scope:  # the headers were looked at before the body was read
        return request.scope[_PERSON]
    return await _authenticate(request, token_before_body(request) or await _field_token(request))


async def authenticate_before_body(request: Request) -> Person:
    """As `authenticate`, without reading the body. The person is kept for `authenticate`."""
    person = await _authenticate(request, token_before_body(request))
    request.scope[_PERSON] = person
    return person


async def has_right_token_before_body(request: Request) -> bool:
    """Whether a right token came with the headers or the query. A wrong one is counted later, when it is refused."""
    token = token_before_body(request)
    return token is not None and await run_in_threadpool(person_by_token, services_of(request), token) is not None


async def _authenticate(request: Request, token: str | None) -> Person:
    services = services_of(request)
    if not token:
        raise NotSignedIn("A token is needed, and none came with the request.")
    person = await run_in_threadpool(person_by_token, services, token)
    if person is None:
        count_wrong_token(request)
        raise NotSignedIn("The token is not right.")
    services.limits.check(person)
    return person


def count_wrong_token(request: Request) -> None:
    """Count a wrong token of the client's address. Raises TooBusy if there were too many.

    Called after the token was looked up: wrong tokens must not lock out the right ones behind the same proxy.
    """
    services_of(request).limits.count_wrong_token(request.client.host if request.client else "")


def require_role(role: Role) -> Callable[..., Coroutine[Any, Any, Caller]]:
    """Return a FastAPI dependency that yields the caller. It raises NotSignedIn, NotAllowed, NotFound."""

    async def caller(
        request: Request,
        _documented: Annotated[Any, Depends(_bearer)],
        openai_project: Annotated[str | None, Header(description="The project to work in.")] = None,
        project: str | None = None,
    ) -> Caller:
        person = await authenticate(request)
        check_role(person, role)
        return Caller(person, person.resolve_project(project or openai_project), services_of(request))

    _ROLES[caller] = role
    return caller


def check_role(person: Person, role: Role | None) -> None:
    """Raise NotAllowed unless the person has the role."""
    if role and not person.has_role(role):
        raise NotAllowed(f"{person.name} is a {person.role}, and this is for a {role}.")


def role_of(route: APIRoute | None) -> Role | None:
    """Return the role that a route asks for by a dependency of `require_role`; None if it asks for none."""
    dependencies = route.dependant.dependencies if route else ()
    return next((_ROLES[each.call] for each in dependencies if each.call in _ROLES), None)


def document_roles(routes: Iterable[Any]) -> None:
    """Say in the OpenAPI document which role each operation is for, as `x-role`."""
    for route in api_routes(routes):
        if role := role_of(route):
            route.openapi_extra = {**(route.openapi_extra or {}), "x-role": role}


Viewer = Annotated[Caller, Depends(require_role("viewer"))]
Maker = Annotated[Caller, Depends(require_role("maker"))]


async def optional_person(request: Request) -> Person | None:
    """Return the person of the request's token, or None without a valid one."""
    token = token_before_body(request) or await _field_token(request)
    return await run_in_threadpool(person_by_token, services_of(request), token) if token else None


def set_token_cookie(response: Response, request: Request, token: str) -> None:
    """Set the cookie that signs in: HttpOnly, SameSite=Strict, and Secure over https."""
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, max_age=_COOKIE_SECONDS, httponly=True, samesite="strict", secure=secure)


def delete_token_cookie(response: Response) -> None:
    """Delete the cookie, which signs out."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def person_by_token(services: Services, token: str) -> Person | None:
    """Return the token's holder; the token in the settings is an admin's."""
    own = services.platform.settings.gateway_token
    if own and secrets.compare_digest(token.encode(), own.get_secret_value().encode()):
        return Person(name="stack", role="admin")
    return services.tokens.find_person(token)


def is_cross_origin_write(request: Request) -> bool:
    """Whether a page of another origin sent this request with an unsafe method (CSRF protection).

    SameSite cookies are not enough: to a browser all ports of a host are one site.
    """
    origin = request.headers.get("origin")
    is_cross_origin = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    return request.method not in _SAFE_METHODS and is_cross_origin


def token_before_body(request: Request) -> str | None:
    """Return the request's token if it is in the headers or the query: the one list of the places where it may be.

    On LibreTranslate's paths the places of its clients come first.
    """
    places = (_libretranslate_token, _bearer_token, _cookie_token)
    return next((token for place in places if (token := place(request))), None)


def _libretranslate_token(request: Request) -> str | None:
    if request.url.path not in LIBRETRANSLATE:
        return None
    authorization = request.headers.get("authorization", "").strip()
    bare = authorization if " " not in authorization else ""
    in_header = next((request.headers[name] for name in _KEY_HEADERS if name in request.headers), "")
    return bare or in_header or request.query_params.get("api_key")


def _bearer_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _cookie_token(request: Request) -> str | None:
    return None if is_cross_origin_write(request) else request.cookies.get(COOKIE)


async def _field_token(request: Request) -> str | None:
    if request.url.path not in LIBRETRANSLATE:
        return None
    key = (await read_fields(request)).get("api_key")
    return key if isinstance(key, str) else None
