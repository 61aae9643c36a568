"""Read HTML: its words without scripts and styles, in blocks, with headings as chapters."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.documents.archive import local_name

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage]

_SILENT = frozenset({"script", "style", "template", "noscript", "head", "svg", "math", "iframe", "object", "select"})
_BLOCKS = frozenset(
    [
        *("address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "dialog", "div", "dl", "dt"),
        *("fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr"),
        *("html", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead"),
        *("tr", "ul"),
    ]
)
_MAX_DEPTH = 500
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class WebPage:
    """The text of a page in chapters, which h1 and h2 begin, and its title; empty if it has none."""

    sections: list[str]
    title: str


def in_utf8(data: bytes) -> bytes:
    """Return the bytes of a page, or of its beginning, in UTF-8 if it is marked as UTF-16; else as they are."""
    return data.decode("utf-16", "replace").encode() if data.startswith(_UTF_16) else data


def read_page(data: bytes, picture: Callable[[str, int], None] = lambda _source, _chapter: None) -> WebPage:
    """Read a page; `picture` is called with the source of each picture and the number of its chapter."""
    root = _parsed(in_utf8(data))
    return WebPage([], "") if root is None else WebPage(_sections(root, picture), _title(root))


def html_sections(data: bytes, picture: Callable[[str, int], None] = lambda _source, _chapter: None) -> list[str]:
    """Return the text of a page in chapters (see `read_page`)."""
    return read_page(data, picture).sections


def _sections(root: "_Element", picture: Callable[[str, int], None]) -> list[str]:
    chapters: list[list[str]] = [[]]
    for mark, words in _walk(root, 0):
        if mark == "chapter" and "".join(chapters[-1]).strip():
            chapters.append([])
        elif mark == "picture":
            picture(words, len(chapters))
        else:
            chapters[-1].append(words)
    texts = ["".join(words) for words in chapters]
    return ["\n\n".join(" ".join(block.split()) for block in text.split("\n\n") if block.strip()) for text in texts]


def _title(root: "_Element") -> str:
    found = next((element for element in root.iter() if local_name(element.tag) == "title"), None)
    return " ".join((found.text or "").split())[:200] if found is not None else ""


def _parsed(data: bytes) -> "_Element | None":
    from lxml import etree, html

    try:
        data.decode("utf-8")
        encoding = None if data.startswith(b"\xef\xbb\xbf") else "utf-8"
    except UnicodeDecodeError:
        encoding = None  # what the page says
    try:
        return html.document_fromstring(data, parser=html.HTMLParser(encoding=encoding, no_network=True))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None


def _walk(element: "_Element", depth: int) -> Iterator[tuple[str, str]]:
    """Yield words, ends of blocks, beginnings of chapters and the sources of pictures, in order."""
    name = local_name(element.tag)
    if name in _SILENT or depth > _MAX_DEPTH or (not name and depth):
        return
    if name in ("h1", "h2"):
        yield "chapter", ""
    if name == "img":
        yield "picture", str(element.get("src", ""))
        yield "words", f" {element.get('alt', '')} "
    block = "\n\n" if name in _BLOCKS else "\n" if name == "br" else "\t" if name in ("td", "th") else ""
    yield "words", block + (element.text or "")
    for child in element:
        yield from _walk(child, depth + 1)
        yield "words", child.tail or ""
    yield "words", block
