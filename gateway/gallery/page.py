"""Render templates for the person, language and theme of a request."""

import hashlib
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from flows.library.markdown import format_time
from gateway.gallery.excerpts import highlight, highlight_name
from gateway.gallery.locale import LANGUAGES, SCRIPT_TEXTS, Language, negotiate_language, translator
from gateway.gallery.places import place_title
from gateway.tokens import Person

STATIC = Path(__file__).parent / "static"
LANGUAGE_COOKIE, THEME_COOKIE = "triptych_language", "triptych_theme"
_THEMES = ("light", "dark")
_STATIC_HASH = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()))).hexdigest()[:12]
STATIC_PATH = f"/static/{_STATIC_HASH}"
"""Contains a hash of the files, so that browsers can cache them for ever."""

_TEMPLATES = Environment(
    loader=PackageLoader("gateway.gallery"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class PageRenderer:
    """Render pages in the language and theme of one request; `person` is None if nobody is signed in."""

    request: Request
    person: Person | None = None

    @cached_property
    def language(self) -> Language:
        chosen = self.request.cookies.get(LANGUAGE_COOKIE, "")
        known: dict[str, Language] = {language: language for language in LANGUAGES}
        return known.get(chosen) or negotiate_language(self.request.headers.get("accept-language", ""))

    @property
    def theme(self) -> str:
        """`light`, `dark`, or empty to follow the device."""
        chosen = self.request.cookies.get(THEME_COOKIE, "")
        return chosen if chosen in _THEMES else ""

    @property
    def may_make(self) -> bool:
        return self.person is not None and self.person.has_role("maker")

    def translate(self, text: str, **values: object) -> str:
        return translator(self.language)(text, **values)

    def page(self, template: str, current: str = "", status: int = 200, **values: Any) -> Response:
        """Render a template as a response; `current` is the page that the navigation marks."""
        return HTMLResponse(self.render(template, current=current, **values), status_code=status)

    def render(self, template: str, current: str = "", **values: Any) -> str:
        """Render a template as HTML."""
        known: dict[str, Any] = {
            "_": self.translate,
            "language": self.language,
            "theme": self.theme,
            "person": self.person,
            "may_make": self.may_make,
            "navigation": self._navigation(),
            "current": current,
            "back": _return_address(self.request),
            "static": f"{STATIC_PATH}/",
            "script_texts": {text: self.translate(text) for text in SCRIPT_TEXTS},
            "clock": format_time,
            "highlight": highlight,
            "highlight_name": highlight_name,
            "place_title": partial(place_title, self.translate),
        }
        return _TEMPLATES.get_template(template).render(known | values)

    def _navigation(self) -> list[tuple[str, str, str, str]]:
        """Return page, address, icon and title of each entry."""
        everybody = [
            ("library", "/", "library", self.translate("Library")),
            ("ask", "/ask", "ask", self.translate("Ask")),
        ]
        makers = [
            ("make", "/make", "make", self.translate("Make")),
            ("upload", "/upload", "upload", self.translate("Upload")),
        ]
        return [
            *everybody,
            *(makers if self.may_make else []),
            ("translation", "/translation", "translation", self.translate("Translate")),
            ("collections", "/collections", "collections", self.translate("Collections")),
        ]


def local_address(address: str) -> str:
    """Return the address if it is local, otherwise `/`, so that a form cannot redirect to another site."""
    is_local = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_local and address.isprintable() else "/"


def redirect_to(address: str) -> Response:
    """Redirect after a form, with status 303."""
    return RedirectResponse(address, status_code=303)


def _return_address(request: Request) -> str:
    if request.method != "GET":
        return local_address(request.query_params.get("back", "/"))
    query = f"?{request.url.query}" if request.url.query else ""
    return local_address(quote(request.url.path, safe="/") + query)
