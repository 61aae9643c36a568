"""Pages: templates filled for a person, in their language and their choice of light or dark."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from flows.running.markdown import format_time
from gateway.gallery.excerpts import marked
from gateway.gallery.locale import IN_SCRIPTS, LANGUAGES, Language, preferred, speaker
from gateway.tokens import Person

STATIC = Path(__file__).parent / "static"
LANGUAGE, THEME = "triptych_language", "triptych_theme"
"""The cookies of a person's choices."""
_THEMES = ("light", "dark")
_VERSION = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()))).hexdigest()[:12]
STATIC_PATH = f"/static/{_VERSION}"
"""Holds the files' hash, so that browsers keep them for good."""

_TEMPLATES = Environment(
    loader=PackageLoader("gateway.gallery"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Reader:
    """Who looks at a page, if they signed in, and how they like it."""

    request: Request
    person: Person | None = None

    @cached_property
    def language(self) -> Language:
        chosen = self.request.cookies.get(LANGUAGE, "")
        known: dict[str, Language] = {language: language for language in LANGUAGES}
        return known.get(chosen) or preferred(self.request.headers.get("accept-language", ""))

    @property
    def theme(self) -> str:
        """light, dark, or nothing for what the device says."""
        chosen = self.request.cookies.get(THEME, "")
        return chosen if chosen in _THEMES else ""

    @property
    def may_make(self) -> bool:
        return self.person is not None and self.person.has_role("maker")

    def say(self, text: str, **values: object) -> str:
        return speaker(self.language)(text, **values)

    def page(self, template: str, here: str = "", status: int = 200, **values: Any) -> Response:
        """A page as a response; `here` is the place that the navigation marks."""
        return HTMLResponse(self.fill(template, here=here, **values), status_code=status)

    def fill(self, template: str, here: str = "", **values: Any) -> str:
        """A template as HTML."""
        known: dict[str, Any] = {
            "_": self.say,
            "language": self.language,
            "theme": self.theme,
            "person": self.person,
            "may_make": self.may_make,
            "pages": self._pages(),
            "here": here,
            "back": _back_to(self.request),
            "static": f"{STATIC_PATH}/",
            "script_words": {text: self.say(text) for text in IN_SCRIPTS},
            "clock": format_time,
            "marked": marked,
        }
        return _TEMPLATES.get_template(template).render(known | values)

    def _pages(self) -> list[tuple[str, str, str, str]]:
        everybody = [("library", "/", "library", self.say("Library"))]
        makers = [("make", "/make", "make", self.say("Make")), ("upload", "/upload", "upload", self.say("Upload"))]
        return [
            *everybody,
            *(makers if self.may_make else []),
            ("collections", "/collections", "collections", self.say("Collections")),
        ]


def local_address(address: str) -> str:
    """The address if it is one of this gateway, otherwise the first page."""
    is_local = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_local and address.isprintable() else "/"


def see(address: str) -> Response:
    """The answer to a form: look there now."""
    return RedirectResponse(address, status_code=303)


def _back_to(request: Request) -> str:
    if request.method != "GET":
        return local_address(request.query_params.get("back", "/"))
    query = f"?{request.url.query}" if request.url.query else ""
    return local_address(quote(request.url.path, safe="/") + query)
