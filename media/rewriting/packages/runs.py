"""Paragraphs of runs, as docx, pptx and xlsx have them: read their text, and write another in the same formatting."""

import re
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from media.rewriting.inline import Block, Tag
from media.rewriting.passages import Passage

_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_NO_FORMATTING = frozenset(("lang", "noProof", "proofErr", "rtl", "webHidden"))
"""Properties of runs that nobody sees."""


@dataclass(frozen=True)
class Dialect:
    """The names of one format, without their namespace."""

    namespace: str
    members: re.Pattern[str]
    paragraph: str
    containers: frozenset[str]
    """Elements of a paragraph that hold runs, such as a link."""
    has_bare_texts: bool = False
    """Whether a paragraph may have a text without a run."""
    keeps_spaces_by_attribute: bool = True

    def name(self, local: str) -> str:
        return f"{{{self.namespace}}}{local}"


def read_paragraph(paragraph: Any, dialect: Dialect) -> Block:
    """Return the text of a paragraph; runs that differ from most of it are between tags."""
    block = Block()
    weights: Counter[bytes] = Counter()
    for run in paragraph.iter(dialect.name("r")):
        weights[_format_key(run, dialect)] += sum(len(text.text or "") for text in run.iterfind(dialect.name("t")))
    base = weights.most_common(1)[0][0] if weights else b""
    fields = [0]
    for child in paragraph:
        _read_child(child, dialect, block, base, fields)
    return block


def _read_child(child: Any, dialect: Dialect, block: Block, base: bytes, fields: list[int]) -> None:
    local = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else ""
    offset = len(block.text)
    if local in ("pPr", "rPh", "phoneticPr", "endParaRPr"):
        return
    if local == "t" and dialect.has_bare_texts:
        block.text += child.text or ""
    elif local == "r":
        _read_run(child, dialect, block, base, fields)
    elif local in dialect.containers and not fields[0]:
        block.tags.append(Tag(offset, child, "open", key=f"{id(child)}"))
        for inner in list(child):
            _read_child(inner, dialect, block, base, fields)
        block.tags.append(Tag(len(block.text), child, "close", key=f"{id(child)}"))
    else:
        block.tags.append(Tag(offset, [child], "void"))


def _read_run(run: Any, dialect: Dialect, block: Block, base: bytes, fields: list[int]) -> None:
    """Add a run: its text, or itself where it shows something else; `fields` counts open fields, which are kept."""
    contents = [each for each in run if each.tag != dialect.name("rPr")]
    kinds = [each.get(dialect.name("fldCharType")) for each in contents if each.tag == dialect.name("fldChar")]
    fields[0] += kinds.count("begin") - kinds.count("end")
    is_text = all(each.tag == dialect.name("t") for each in contents) and not fields[0] and not kinds
    offset = len(block.text)
    if is_text:
        key = _format_key(run, dialect)
        if key != base and contents:
            block.tags.append(Tag(offset, _properties(run, dialect), "open", key=f"{id(run)}"))
        block.text += "".join(each.text or "" for each in contents)
        if key != base and contents:
            block.tags.append(Tag(len(block.text), _properties(run, dialect), "close", key=f"{id(run)}"))
    elif any(each.tag == dialect.name("t") for each in contents) and not fields[0] and not kinds:
        for each in contents:  # text beside a tab or a break: a run for each
            single = deepcopy(run)
            for other in [inner for inner in single if inner.tag != dialect.name("rPr")]:
                single.remove(other)
            single.append(each)
            _read_run(single, dialect, block, base, fields)
    else:
        if any(each.tag in (dialect.name("br"), dialect.name("tab"), dialect.name("cr")) for each in contents):
            block.text += " " if block.text and not block.text[-1].isspace() else ""
        block.tags.append(Tag(offset, [run], "void"))


class _Writer:
    """Puts the runs of a translation into a paragraph, with the formatting and the links that are open."""

    def __init__(self, paragraph: Any, dialect: Dialect, base: Any) -> None:
        self._dialect = dialect
        self._places: list[Any] = [paragraph]
        self._formats: list[Any] = [base]
        self._after_gap = False

    def write(self, kind: str, content: Any) -> None:
        """Add a text, an element that shows something else, or the start or end of what holds them."""
        if kind == "text":
            self._text(content)
        elif kind == "void":
            self._places[-1].extend(content)
            self._after_gap = any(_is_gap(each, self._dialect) for each in content)
        elif _is_container(content, self._dialect):
            self._container(kind, content)
        elif kind == "open":
            self._formats.append(content)
        elif len(self._formats) > 1:
            self._formats.pop()

    def _text(self, text: str) -> None:
        shown = text.lstrip(" ") if self._after_gap else text
        self._after_gap = False
        if shown:
            self._places[-1].append(_run(self._dialect, self._formats[-1], shown))

    def _container(self, kind: str, content: Any) -> None:
        if kind == "open":
            for inner in list(content):
                content.remove(inner)
            self._places[-1].append(content)
            self._places.append(content)
        elif len(self._places) > 1:
            self._places.pop()


def write_paragraph(paragraph: Any, dialect: Dialect, block: Block, answer: Passage) -> None:
    """Replace the runs of a paragraph by those of its translation."""
    base = _base_properties(paragraph, dialect)
    events = list(block.events(answer))
    ending = [each for each in paragraph if each.tag == dialect.name("endParaRPr")]
    for child in [each for each in paragraph if each.tag != dialect.name("pPr")]:
        paragraph.remove(child)
    writer = _Writer(paragraph, dialect, base)
    if left := block.text[: len(block.text) - len(block.text.lstrip())]:
        writer.write("text", left)
    for kind, content in events:
        writer.write(kind, content)
    paragraph.extend(ending)


def _is_gap(run: Any, dialect: Dialect) -> bool:
    """Whether a run is a tab or a line break, after which no space is needed."""
    return any(run.find(dialect.name(local)) is not None for local in ("tab", "br", "cr"))


def _is_container(content: Any, dialect: Dialect) -> bool:
    return content is not None and content.tag.rpartition("}")[2] in dialect.containers


def _run(dialect: Dialect, properties: Any, text: str) -> Any:
    """Return a new run with these properties."""
    from lxml import etree

    run = etree.Element(dialect.name("r"))
    if properties is not None:
        run.append(deepcopy(properties))
    written = etree.SubElement(run, dialect.name("t"))
    written.text = text
    if dialect.keeps_spaces_by_attribute and text != text.strip():
        written.set(_SPACE, "preserve")
    return run


def _base_properties(paragraph: Any, dialect: Dialect) -> Any:
    """Return the properties of the runs that have most of a paragraph's text."""
    weights: Counter[bytes] = Counter()
    found: dict[bytes, Any] = {}
    for run in paragraph.iter(dialect.name("r")):
        key = _format_key(run, dialect)
        weights[key] += sum(len(text.text or "") for text in run.iterfind(dialect.name("t")))
        found.setdefault(key, _properties(run, dialect))
    return found[weights.most_common(1)[0][0]] if weights else None


def _properties(run: Any, dialect: Dialect) -> Any:
    return run.find(dialect.name("rPr"))


def _format_key(run: Any, dialect: Dialect) -> bytes:
    """Return what of a run's properties can be seen."""
    from lxml import etree

    properties = _properties(run, dialect)
    if properties is None:
        return b""
    seen = deepcopy(properties)
    for each in [each for each in seen if each.tag.rpartition("}")[2] in _NO_FORMATTING]:
        seen.remove(each)
    for attribute in ("lang", "altLang", "dirty", "err", "smtClean", "noProof"):
        seen.attrib.pop(attribute, None)
    return etree.tostring(seen, method="c14n") if len(seen) or seen.attrib else b""
