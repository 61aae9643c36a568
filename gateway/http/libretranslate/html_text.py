"""The texts in HTML, to be translated apart from the marks around them."""

from collections.abc import Callable, Sequence
from html import escape
from html.parser import HTMLParser

_NOT_FOR_PEOPLE = frozenset({"script", "style", "code", "pre"})


class _Pieces(HTMLParser):
    """Takes HTML apart: marks as they stand, and texts between them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[tuple[bool, str]] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.pieces.append((False, self.get_starttag_text() or ""))
        if tag in _NOT_FOR_PEOPLE:
            self._inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.pieces.append((False, self.get_starttag_text() or ""))

    def handle_endtag(self, tag: str) -> None:
        self.pieces.append((False, f"</{tag}>"))
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._inside:
            raw = self._inside[-1] in ("script", "style")
            self.pieces.append((False, data if raw else escape(data, quote=False)))
        else:
            self.pieces.append((True, data))

    def handle_comment(self, data: str) -> None:
        self.pieces.append((False, f"<!--{data}-->"))

    def handle_decl(self, decl: str) -> None:
        self.pieces.append((False, f"<!{decl}>"))


def texts_in(html: str) -> tuple[list[str], Callable[[Sequence[str]], str]]:
    """The texts of a document, one line each, and what puts as many translations in their places."""
    parser = _Pieces()
    parser.feed(html)
    parser.close()
    pieces = parser.pieces
    texts = [" ".join(piece.split()) for is_text, piece in pieces if is_text and piece.strip()]

    def put_back(translated: Sequence[str]) -> str:
        rest = iter(translated)
        return "".join(
            _with_its_spaces(piece, next(rest)) if is_text and piece.strip() else piece for is_text, piece in pieces
        )

    return texts, put_back


def _with_its_spaces(before: str, after: str) -> str:
    left = before[: len(before) - len(before.lstrip())]
    right = before[len(before.rstrip()) :]
    return f"{left}{escape(after, quote=False)}{right}"
