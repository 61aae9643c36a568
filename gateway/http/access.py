"""Access: who asks, in which project, and whether they may.

A token comes as a bearer header (ours and OpenAI's clients), as the field `api_key` (LibreTranslate's), or in a cookie
that scripts cannot read (the gallery). The token of the settings is the stack's own: the command line uses it.
"""

import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPBearer

from flows.running.platform import Space
from gateway.errors import NotAllowed, NotSignedIn
from gateway.http.fields import fields_of
from gateway.http.services import Services
from gateway.tokens import Person, Role

COOKIE = "triptych_token"
_COOKIE_SECONDS = 30 * 24 * 3600
_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(auto_error=False, description="A token of `triptych token create`.")


@dataclass(frozen=True)
class Caller:
    """A person at work in a project."""

    person: Person
    project: str
    services: Services

    @property
    def space(self) -> Space:
        return self.services.platform.space(self.project)

    def within(self, project: str | None) -> "Caller":
        """The same person in another project, if they may. Raises NotThere."""
        return Caller(self.person, self.person.project_named(project or self.project), self.services)


def services_of(request: Request) -> Services:
    """What the app was assembled with."""
    return request.app.state.services


async def person_of(request: Request) -> Person:
    """Who asks. Raises NotSignedIn, TooBusy."""
    services = services_of(request)
    token = await _token(request)
    if not token:
        raise NotSignedIn("A token is needed, and none came with the request.")
    person = await run_in_threadpool(holder_of, services, token)
    if person is None:
        # Whoever holds a token is let in, however many wrong ones come from the same address.
        address = request.client.host if request.client else ""
        services.limits.check_address(address)
        services.limits.count_failure(address)
        raise NotSignedIn("The token is not right.")
    services.limits.check(person)
    return person


def at_least(role: Role) -> Callable[..., Coroutine[Any, Any, Caller]]:
    """A dependency that gives the caller. Raises NotSignedIn, NotAllowed, NotThere."""

    async def caller(
        request: Request,
        _documented: Annotated[Any, Depends(_bearer)],
        openai_project: Annotated[str | None, Header(description="The project to work in.")] = None,
        project: str | None = None,
    ) -> Caller:
        person = await person_of(request)
        if not person.may(role):
            raise NotAllowed(f"{person.name} is a {person.role}, and this is for a {role}.")
        return Caller(person, person.project_named(project or openai_project), services_of(request))

    return caller


Viewer = Annotated[Caller, Depends(at_least("viewer"))]
Maker = Annotated[Caller, Depends(at_least("maker"))]


async def signed_in(request: Request) -> Person | None:
    """Who asks, or nobody."""
    token = await _token(request)
    return await run_in_threadpool(holder_of, services_of(request), token) if token else None


def keep_token(response: Response, request: Request, token: str) -> None:
    """Sign in: the browser sends the token from now on, and tells it to no script and no other site."""
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, max_age=_COOKIE_SECONDS, httponly=True, samesite="strict", secure=secure)


def forget_token(response: Response) -> None:
    """Sign out."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def holder_of(services: Services, token: str) -> Person | None:
    """Who holds a token; the stack's own is an admin's."""
    own = services.platform.settings.gateway_token
    if own and secrets.compare_digest(token.encode(), own.get_secret_value().encode()):
        return Person(name="stack", role="admin")
    return services.tokens.holder(token)


def is_from_elsewhere(request: Request) -> bool:
    """Whether a page of another site or port sends this to change something.

    Other ports of this machine are the same site to a browser: the pages there must not act with the cookie.
    """
    origin = request.headers.get("origin")
    is_elsewhere = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    return request.method not in _CHANGES_NOTHING and is_elsewhere


async def _token(request: Request) -> str | None:
    return _from_header(request) or _from_cookie(request) or await _from_field(request)


def _from_header(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _from_cookie(request: Request) -> str | None:
    return None if is_from_elsewhere(request) else request.cookies.get(COOKIE)


async def _from_field(request: Request) -> str | None:
    if getattr(request.scope.get("route"), "tags", None) != ["LibreTranslate"]:
        return None
    key = (await fields_of(request)).get("api_key")
    return key if isinstance(key, str) else None
