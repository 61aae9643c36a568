"""Translate docx, pptx and xlsx: paragraphs of runs, whose formatting stays around the same words."""

import re
from collections.abc import Sequence
from typing import Any

from media.rewriting.packages.members import parse_xml, read_package, write_package, xml_bytes
from media.rewriting.packages.run_elements import Dialect
from media.rewriting.packages.run_writer import write_paragraph
from media.rewriting.packages.runs import read_paragraph
from media.rewriting.passages import TranslatePassages

_TABLE = re.compile(r"xl/tables/[^/]+\.xml")

_WORD = Dialect(
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    re.compile(r"word/(?:document|header\d*|footer\d*|footnotes|endnotes)\.xml"),
    "p",
    frozenset(("hyperlink", "ins", "moveTo", "smartTag", "sdt")),
)
_SLIDES = Dialect(
    "http://schemas.openxmlformats.org/drawingml/2006/main",
    re.compile(r"ppt/(?:slides|notesSlides|diagrams|charts)/[^/]+\.xml"),
    "p",
    frozenset(),
    keeps_spaces_by_attribute=False,
)
_SHEETS = Dialect(
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    re.compile(r"xl/(?:sharedStrings|worksheets/[^/]+)\.xml"),
    "si",
    frozenset(),
    has_bare_texts=True,
)


def rewrite_docx(data: bytes, translate: TranslatePassages) -> bytes:
    """Translate paragraphs, tables, text boxes, headers, footers and notes."""
    return _rewrite(data, _WORD, translate)


def rewrite_pptx(data: bytes, translate: TranslatePassages) -> bytes:
    """Translate the texts of slides, notes and diagrams."""
    return _rewrite(data, _SLIDES, translate)


def rewrite_xlsx(data: bytes, translate: TranslatePassages) -> bytes:
    """Translate the texts of cells; numbers and formulas stay, and tables are told their new column names."""
    before = read_package(data, lambda name: _TABLE.fullmatch(name) is not None)
    names: dict[str, str] = {}

    def remember(passages: Sequence[Any]) -> Sequence[Any]:
        answers = translate(passages)
        names.update({asked.text: said.text for asked, said in zip(passages, answers, strict=True)})
        return answers

    written = _rewrite(data, _SHEETS, remember)
    return write_package(written, {name: _renamed(table, names) for name, table in before.items()})


def _renamed(table: bytes, names: dict[str, str]) -> bytes:
    """Give the columns of a table the names that their header cells have now."""
    root = parse_xml(table)
    for column in root.iter(_SHEETS.name("tableColumn")):
        name = " ".join(column.get("name", "").split())
        column.set("name", names.get(name, column.get("name")))
    return xml_bytes(root)


def _rewrite(data: bytes, dialect: Dialect, translate: TranslatePassages) -> bytes:
    found = read_package(data, lambda name: dialect.members.fullmatch(name) is not None)
    roots = {name: parse_xml(member) for name, member in sorted(found.items())}
    wanted = [dialect.name(dialect.paragraph), *([dialect.name("is")] if dialect.has_bare_texts else [])]
    paragraphs = [paragraph for root in roots.values() for paragraph in root.iter(*wanted)]
    with_words = [each for p in paragraphs if (each := read_paragraph(p, dialect)).block.has_words()]
    answers = translate([each.block.passage() for each in with_words])
    for paragraph, answer in zip(with_words, answers, strict=True):
        write_paragraph(paragraph, dialect, answer)
    return write_package(data, {name: xml_bytes(root) for name, root in roots.items()})
