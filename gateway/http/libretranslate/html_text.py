"""Split HTML into markup and translatable texts, and join it again byte for byte."""

from collections.abc import Callable, Sequence
from html import escape
from html.parser import HTMLParser

_UNTRANSLATED_TAGS = frozenset({"script", "style", "code", "pre"})


class _Splitter(HTMLParser):
    """Collects `(is_text, source)` pieces: markup unchanged, texts unescaped."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[tuple[bool, str]] = []
        self._untranslated: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.pieces.append((False, self.get_starttag_text() or ""))
        if tag in _UNTRANSLATED_TAGS:
            self._untranslated.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.pieces.append((False, self.get_starttag_text() or ""))

    def handle_endtag(self, tag: str) -> None:
        self.pieces.append((False, f"</{tag}>"))
        if self._untranslated and self._untranslated[-1] == tag:
            self._untranslated.pop()

    def handle_data(self, data: str) -> None:
        if self._untranslated:
            raw = self._untranslated[-1] in ("script", "style")
            self.pieces.append((False, data if raw else escape(data, quote=False)))
        else:
            self.pieces.append((True, data))

    def handle_comment(self, data: str) -> None:
        self.pieces.append((False, f"<!--{data}-->"))

    def handle_decl(self, decl: str) -> None:
        self.pieces.append((False, f"<!{decl}>"))


def split_html(html: str) -> tuple[list[str], Callable[[Sequence[str]], str]]:
    """Return the texts of a document, one line each, and a function that joins the markup with their translations."""
    parser = _Splitter()
    parser.feed(html)
    parser.close()
    pieces = parser.pieces
    texts = [" ".join(piece.split()) for is_text, piece in pieces if is_text and piece.strip()]

    def join(translated: Sequence[str]) -> str:
        rest = iter(translated)
        return "".join(
            _with_spaces_of(piece, next(rest)) if is_text and piece.strip() else piece for is_text, piece in pieces
        )

    return texts, join


def _with_spaces_of(before: str, after: str) -> str:
    left = before[: len(before) - len(before.lstrip())]
    right = before[len(before.rstrip()) :]
    return f"{left}{escape(after, quote=False)}{right}"
