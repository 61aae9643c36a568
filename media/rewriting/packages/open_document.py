"""Translate odt, odp and ods: paragraphs and headings with their spans, links, and what is anchored in them."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from media.rewriting.inline import GAPS, Block, Tag
from media.rewriting.packages.members import parse_xml, read_package, write_package, xml_bytes
from media.rewriting.passages import TranslatePassages

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_PARAGRAPHS = (f"{_TEXT}p", f"{_TEXT}h")
_CONTAINERS = frozenset((f"{_TEXT}span", f"{_TEXT}a"))
_SPACE = f"{_TEXT}s"
_GAPS = {f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}


def rewrite_open_document(data: bytes, translate: TranslatePassages) -> bytes:
    """Translate the texts of a document, its headers and footers."""
    found = read_package(data, lambda name: name in ("content.xml", "styles.xml"))
    roots = {name: parse_xml(member) for name, member in found.items()}
    blocks = [
        (paragraph, block)
        for root in roots.values()
        for paragraph in root.iter(*_PARAGRAPHS)
        if (block := _read(paragraph)).has_words()
    ]
    answers = translate([block.passage() for _, block in blocks])
    for (paragraph, block), answer in zip(blocks, answers, strict=True):
        gaps = [each for each in _own_elements(paragraph) if each.tag in _GAPS]
        _write(paragraph, list(block.events(answer)), gaps)
    return write_package(data, {name: xml_bytes(root) for name, root in roots.items()})


def _read(element: Any, block: Block | None = None) -> Block:
    """Return the text of an element, and its inner elements as tags."""
    block = block or Block(has_gaps=True)
    block.text += _shown(element.text)
    for child in element:
        if child.tag in _CONTAINERS:
            block.tags.append(Tag(len(block.text), child, "open", key=f"{id(child)}"))
            _read(child, block)
            block.tags.append(Tag(len(block.text), child, "close", key=f"{id(child)}"))
        elif child.tag in _GAPS:
            block.text += _GAPS[child.tag]
        else:
            block.tags.append(Tag(len(block.text), child, "void"))
            if child.tag == _SPACE and block.text and not block.text[-1].isspace():
                block.text += " "
        block.text += _shown(child.tail)
    return block


def _shown(text: str | None) -> str:
    """Return a text as it is shown: its own white space is but spaces."""
    return "".join(" " if character.isspace() else character for character in text or "")


def _own_elements(paragraph: Any) -> Iterator[Any]:
    """Yield what is in a paragraph and its spans and links, without what is in a note or a frame in it."""
    for child in paragraph:
        yield child
        if child.tag in _CONTAINERS:
            yield from _own_elements(child)


def _write(paragraph: Any, events: Sequence[tuple[str, Any]], gaps: Sequence[Any]) -> None:
    """Replace the contents of a paragraph; `gaps` are the elements that show the tabs and line feeds of the text."""
    place: list[Any] = [paragraph]
    rest = iter(gaps)
    _empty(paragraph)
    for kind, content in events:
        here = place[-1]
        if kind == "text":
            for piece in re.split(f"([{GAPS}])", content):
                element = next(rest, None) if piece and piece in GAPS else None
                _append(here, piece if element is None else element)
        elif kind == "close":
            if len(place) > 1:
                place.pop()
        else:
            if kind == "open":
                _empty(content)
                place.append(content)
            _append(here, content)


def _append(element: Any, content: Any) -> None:
    """Add a text or an element."""
    if not isinstance(content, str):
        content.tail = None
        element.append(content)
    elif len(element):
        element[-1].tail = (element[-1].tail or "") + content
    else:
        element.text = (element.text or "") + content


def _empty(element: Any) -> None:
    element.text = None
    for child in list(element):
        element.remove(child)
