"""How large the body of a request may be: 1 MB, unless its route takes files or has a limit of its own."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, get_args

from fastapi import UploadFile
from fastapi.routing import APIRoute
from pydantic import BaseModel

SMALL_BYTES = 1_000_000
OPEN_BODIES = frozenset(
    {"/translate", "/detect", "/translate_file", "/languages", "/sign-in", "/sign-out", "/preferences"}
)
"""Paths whose body may be read without a token in the headers: LibreTranslate's have it in a field, and the others are
how people sign in. Until the token is known, such a body is small."""
_LIMIT, _STARTS_NO_JOB = "max_body_bytes", "starts_no_job"
EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])


def api_routes(routes: Iterable[Any]) -> Iterator[APIRoute]:
    """Yield the routes of an app, with those of the routers that it includes."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif included := getattr(route, "original_router", None):
            yield from api_routes(included.routes)


def body_limit(max_bytes: int) -> Callable[[EndpointT], EndpointT]:
    """Limit the bodies of a route to this size, in place of the usual limit: put it below the route's own decorator.

    A route that takes files is limited by the setting for uploads, too.
    """

    def mark(endpoint: EndpointT) -> EndpointT:
        setattr(endpoint, _LIMIT, max_bytes)
        return endpoint

    return mark


def starts_no_job(endpoint: EndpointT) -> EndpointT:
    """Mark a route that takes files and answers at once, whatever the queue of jobs is like."""
    setattr(endpoint, _STARTS_NO_JOB, True)
    return endpoint


def max_body_bytes(route: APIRoute, max_file_bytes: int) -> int:
    """Return how large the body of a request to the route may be; `max_file_bytes` is the setting for uploads."""
    own: int | None = getattr(route.endpoint, _LIMIT, None)
    if is_upload_of_files(route):
        return max_file_bytes if own is None else min(own, max_file_bytes)
    return SMALL_BYTES if own is None else own


def starts_job(route: APIRoute) -> bool:
    """Whether an upload to the route starts a job, as all do that are not marked."""
    return not getattr(route.endpoint, _STARTS_NO_JOB, False)


def is_upload_of_files(route: APIRoute) -> bool:
    """Whether the route takes files: a parameter is an UploadFile, or has one in a list or as a field of a form."""
    return any(_has_file(field.field_info.annotation) for field in route.dependant.body_params)


def _has_file(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, UploadFile):
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_has_file(field.annotation) for field in annotation.model_fields.values())
    return any(_has_file(inner) for inner in get_args(annotation))
