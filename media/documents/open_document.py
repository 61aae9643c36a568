"""Read OpenDocument files (odt, odp, ods): text by chapter, slide and sheet, and the pictures inside."""

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

from media.documents.archive import Archive, local_name
from media.documents.document import Document

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage]

_LINK = "{http://www.w3.org/1999/xlink}href"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_MAX_REPEATED = 50
"""Repeated cells and blanks that are written out."""


def read_open_document(archive: Archive, document: Document) -> None:
    """Read the content of a text, a presentation or a spreadsheet."""
    root = archive.xml("content.xml")
    slides = [element for element in root.iter() if _is(element, "drawing", "page")]
    sheets = list(root.iter(f"{_TABLE}table"))
    body = next((element for element in root.iter() if local_name(element.tag) in ("text", "spreadsheet")), root)
    if slides:
        for number, slide in enumerate(slides, 1):
            if document.too_long(number, "slides"):
                break
            document.add_text(f"slide={number}", "\n\n".join(_lines(slide)))
            _add_pictures(archive, slide, f"slide={number}", document)
    elif local_name(body.tag) == "spreadsheet":
        for sheet in sheets:
            rows = [_row(row) for row in sheet.iter(f"{_TABLE}table-row")]
            document.add_text(f"sheet={sheet.get(f'{_TABLE}name', '')}", "\n".join(row for row in rows if row))
        _add_pictures(archive, root, "", document)
    else:
        _read_text(archive, root, document)


def _read_text(archive: Archive, root: "_Element", document: Document) -> None:
    """Read a text; a heading of the first two levels begins a chapter."""
    chapter, lines = 1, list[str]()
    for element in root.iter():
        place = f"chapter={chapter}"
        if local_name(element.tag) == "h" and lines and str(element.get(f"{_TEXT}outline-level", "1")) in ("1", "2"):
            document.add_text(place, "\n\n".join(lines))
            chapter, lines = chapter + 1, []
        if _is(element, "text", "p", "h"):
            lines.append(_text_of(element))
        elif local_name(element.tag) == "image":
            _add_pictures(archive, element, f"chapter={chapter}", document)
    document.add_text(f"chapter={chapter}", "\n\n".join(lines))


def _lines(root: "_Element") -> list[str]:
    return [_text_of(element) for element in root.iter() if _is(element, "text", "p", "h")]


def _row(row: "_Element") -> str:
    cells = list[str]()
    for cell in row:
        repeated = str(cell.get(f"{_TABLE}number-columns-repeated", "1"))
        text = " ".join(_lines(cell))
        cells += [text] * (min(int(repeated), _MAX_REPEATED) if text and repeated.isdigit() else 1)
    return "\t".join(cells).strip("\t")


def _text_of(element: "_Element") -> str:
    return "".join(_pieces(element))


def _pieces(element: "_Element") -> Iterator[str]:
    """Yield the words of a paragraph, without those of paragraphs in it."""
    yield element.text or ""
    for child in element:
        name = local_name(child.tag)
        if name == "s":
            yield " " * min(int(str(child.get(f"{_TEXT}c", "1")) or 1), _MAX_REPEATED)
        elif name in ("tab", "line-break"):
            yield "\t" if name == "tab" else "\n"
        elif name not in ("p", "h", "frame"):
            yield from _pieces(child)
        yield child.tail or ""


def _is(element: "_Element", namespace: str, *names: str) -> bool:
    tag = element.tag
    # The tag of a comment is a function.
    known = isinstance(tag, str)  # pyright: ignore[reportUnnecessaryIsInstance]
    return known and f":{namespace}:" in tag and local_name(tag) in names


def _add_pictures(archive: Archive, root: "_Element", place: str, document: Document) -> None:
    for element in root.iter():
        target = posixpath.normpath(str(element.get(_LINK, "")))
        if local_name(element.tag) == "image" and target in archive.names:
            document.add_picture(archive.read(target), place, posixpath.basename(target))
