"""Translate odt, odp and ods: paragraphs and headings with their spans, links, and what is anchored in them."""

from collections.abc import Sequence
from typing import Any

from media.rewriting.inline import Block, Tag
from media.rewriting.packages.members import parse_xml, read_package, write_package, xml_bytes
from media.rewriting.passages import TranslatePassages

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_PARAGRAPHS = (f"{_TEXT}p", f"{_TEXT}h")
_CONTAINERS = frozenset((f"{_TEXT}span", f"{_TEXT}a"))
_SPACES = frozenset((f"{_TEXT}s", f"{_TEXT}tab", f"{_TEXT}line-break"))


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
        _write(paragraph, list(block.events(answer)))
    return write_package(data, {name: xml_bytes(root) for name, root in roots.items()})


def _read(element: Any, block: Block | None = None) -> Block:
    """Return the text of an element, and its inner elements as tags."""
    block = block or Block()
    block.text += element.text or ""
    for child in element:
        if child.tag in _CONTAINERS:
            block.tags.append(Tag(len(block.text), child, "open", key=f"{id(child)}"))
            _read(child, block)
            block.tags.append(Tag(len(block.text), child, "close", key=f"{id(child)}"))
        else:
            block.tags.append(Tag(len(block.text), child, "void"))
            if child.tag in _SPACES and block.text and not block.text[-1].isspace():
                block.text += " "
        block.text += child.tail or ""
    return block


def _write(paragraph: Any, events: Sequence[tuple[str, Any]]) -> None:
    """Replace the contents of a paragraph."""
    place: list[Any] = [paragraph]
    _empty(paragraph)
    for kind, content in events:
        here = place[-1]
        if kind == "text":
            if len(here):
                here[-1].tail = (here[-1].tail or "") + content
            else:
                here.text = (here.text or "") + content
        elif kind == "close":
            if len(place) > 1:
                place.pop()
        else:
            content.tail = None
            if kind == "open":
                _empty(content)
                place.append(content)
            here.append(content)


def _empty(element: Any) -> None:
    element.text = None
    for child in list(element):
        element.remove(child)
