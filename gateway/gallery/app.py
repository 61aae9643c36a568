"""Add the gallery's routes, static files and security headers to the gateway's app."""

from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from gateway.gallery.page import STATIC, STATIC_PATH
from gateway.gallery.pages import artifact as artifact_page
from gateway.gallery.pages import ask as ask_page
from gateway.gallery.pages import collections as collection_pages
from gateway.gallery.pages import labelling as labelling_page
from gateway.gallery.pages import library as library_page
from gateway.gallery.pages import make as make_page
from gateway.gallery.pages import media
from gateway.gallery.pages import review as review_page
from gateway.gallery.pages import sign_in as sign_in_page
from gateway.gallery.pages import suggestions as suggestion_pages
from gateway.gallery.pages import translation as translation_page
from gateway.gallery.pages import upload as upload_page
from gateway.http.downloads.headers import immutable

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_EXCLUDED_PATHS = ("/docs", "/redoc", "/openapi.json", "/api", "/v1")
"""Paths without these headers: the API, and its documentation, which loads scripts of its own."""


def add_gallery(app: FastAPI) -> None:
    """Add the routes of all pages, their scripts and styles, and the Content-Security-Policy."""
    for module in (
        sign_in_page,
        library_page,
        ask_page,
        artifact_page,
        media,
        make_page,
        translation_page,
        upload_page,
        labelling_page,
        review_page,
        suggestion_pages,
        collection_pages,
    ):
        app.include_router(module.router)
    app.mount(STATIC_PATH, _ImmutableFiles(directory=STATIC))
    app.add_middleware(_SecurityHeaders)


class _ImmutableFiles(StaticFiles):
    """Static files that browsers cache for a year, because their address contains a hash of their content."""

    def file_response(self, *arguments: Any, **named: Any) -> Any:
        response = super().file_response(*arguments, **named)
        response.headers.update(immutable("public"))
        return response


class _SecurityHeaders:
    """Middleware that adds a Content-Security-Policy which allows only the gateway's own files."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_EXCLUDED_PATHS):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers)
