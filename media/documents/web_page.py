"""Read HTML: its words without scripts and styles, in blocks, with headings as chapters."""

from collections.abc import Callable, Iterator
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


def html_sections(data: bytes, picture: Callable[[str, int], None] = lambda _source, _chapter: None) -> list[str]:
    """Return the text of a page in chapters, which h1 and h2 begin; `picture` is called with the source of each."""
    root = _parsed(data)
    if root is None:
        return []
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


def html_title(data: bytes) -> str:
    """Return the title of a page; empty if it has none."""
    root = _parsed(data)
    found = next((e for e in root.iter() if local_name(e.tag) == "title"), None) if root is not None else None
    return " ".join((found.text or "").split())[:200] if found is not None else ""


def _parsed(data: bytes) -> "_Element | None":
    from lxml import etree, html

    marked = data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"))
    try:
        data.decode("utf-8")
        encoding = None if marked else "utf-8"
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
