"""Paragraphs of runs, as docx, pptx and xlsx have them: read their text, and write another in the same formatting."""

import re
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from media.rewriting.inline import Block, Kind, Tag
from media.rewriting.passages import Passage

_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_NO_FORMATTING = frozenset(("lang", "noProof", "proofErr", "rtl", "webHidden"))
"""Properties of runs that nobody sees."""
_UNSEEN = frozenset(("pPr", "rPh", "phoneticPr", "endParaRPr", "proofErr", "lastRenderedPageBreak"))
"""Elements that a paragraph can do without: properties of it, phonetic guides, and what a program noted about it."""
_GAPS = frozenset(("tab", "br", "cr"))
"""Elements that are shown as white space: a word ends there."""


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


@dataclass(frozen=True)
class RunParagraph:
    """A paragraph as it was read: its text, with runs of other formats between tags, and the format of most of it."""

    element: Any
    block: Block
    base: Any
    """The properties of the runs that have most of the text; None if they have none."""


def read_paragraph(paragraph: Any, dialect: Dialect) -> RunParagraph:
    """Read the text of a paragraph; runs that differ from most of it are between tags."""
    weights: Counter[bytes] = Counter()
    found: dict[bytes, Any] = {}
    for run in _own_runs(paragraph, dialect):
        key = _format_key(run, dialect)
        weights[key] += sum(len(text.text or "") for text in run.iterfind(dialect.name("t")))
        found.setdefault(key, _properties(run, dialect))
    base = weights.most_common(1)[0][0] if weights else b""
    reader = _Reader(dialect, base)
    for child in list(paragraph):
        reader.read(child)
    return RunParagraph(paragraph, reader.block, deepcopy(found.get(base)))


def _own_runs(element: Any, dialect: Dialect) -> Iterator[Any]:
    """Yield the runs of a paragraph and of its links, without those of paragraphs in a text box in it."""
    for child in element:
        if child.tag == dialect.name("r"):
            yield child
        elif _is_container(child, dialect):
            yield from _own_runs(child, dialect)


class _Reader:
    """Collects the text and tags of a paragraph."""

    def __init__(self, dialect: Dialect, base: bytes) -> None:
        self.block = Block()
        self._dialect = dialect
        self._base = base
        self._open_fields = 0

    def read(self, child: Any) -> None:
        """Add a child of the paragraph, or of a link in it."""
        local = _local(child)
        if local in _UNSEEN:
            return
        if local == "t" and self._dialect.has_bare_texts:
            self.block.text += child.text or ""
        elif local == "r":
            self._run(child)
        elif local in self._dialect.containers and not self._open_fields:
            self._tag(child, "open", f"{id(child)}")
            for inner in list(child):
                self.read(inner)
            self._tag(child, "close", f"{id(child)}")
        else:
            self._show(child)

    def _run(self, run: Any) -> None:
        """Add the text of a run; what else it shows is kept in runs of its own. A field is kept as it is."""
        contents = [each for each in run if _local(each) not in ("rPr", *_UNSEEN)]
        texts = [each for each in contents if each.tag == self._dialect.name("t")]
        kinds = [each.get(self._dialect.name("fldCharType")) for each in contents if _local(each) == "fldChar"]
        if (contents and not texts) or (self._open_fields and not kinds):
            self._open_fields = max(self._open_fields + kinds.count("begin") - kinds.count("end"), 0)
            self._show(run)
        elif len(texts) < len(contents):
            for single in [_with_only(run, each, self._dialect) for each in contents]:
                self._run(single)
        else:
            self._text(run, "".join(each.text or "" for each in texts))

    def _text(self, run: Any, text: str) -> None:
        """Add the text of a run, between tags if it has another format; white space in another format is kept."""
        is_other = bool(text) and _format_key(run, self._dialect) != self._base
        if is_other and text.isspace() and len(text) > 1:
            self._show(run)
            return
        key = f"{len(self.block.tags)}" if is_other and not text.isspace() else ""
        if key:
            self._tag(_properties(run, self._dialect), "open", key)
        self.block.text += text
        if key:
            self._tag(_properties(run, self._dialect), "close", key)

    def _show(self, element: Any) -> None:
        """Add what is shown as it is; a word ends before white space."""
        self.block.tags.append(Tag(len(self.block.text), [element], "void"))
        if _is_gap(element, self._dialect) and self.block.text and not self.block.text[-1].isspace():
            self.block.text += " "

    def _tag(self, source: Any, kind: Kind, key: str) -> None:
        self.block.tags.append(Tag(len(self.block.text), source, kind, key=key))


def _with_only(run: Any, content: Any, dialect: Dialect) -> Any:
    """Return a run with the properties of another one, and one of its contents, which is moved."""
    single = run.makeelement(run.tag, dict(run.attrib), run.nsmap)
    if (properties := _properties(run, dialect)) is not None:
        single.append(deepcopy(properties))
    single.append(content)
    return single


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


def write_paragraph(paragraph: RunParagraph, dialect: Dialect, answer: Passage) -> None:
    """Replace the runs of a paragraph by those of its translation."""
    element, block = paragraph.element, paragraph.block
    events = list(block.events(answer))
    ending = [each for each in element if each.tag == dialect.name("endParaRPr")]
    for child in [each for each in element if each.tag != dialect.name("pPr")]:
        element.remove(child)
    writer = _Writer(element, dialect, paragraph.base)
    if left := block.text[: len(block.text) - len(block.text.lstrip())]:
        writer.write("text", left)
    for kind, content in events:
        writer.write(kind, content)
    element.extend(ending)


def _local(element: Any) -> str:
    """Return the name of an element without its namespace; empty for comments."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _is_gap(element: Any, dialect: Dialect) -> bool:
    """Whether an element is shown as white space, such as a tab or a line break: no space is needed after it."""
    if _local(element) in _GAPS or any(element.find(dialect.name(local)) is not None for local in _GAPS):
        return True
    return _local(element) == "r" and "".join(text.text or "" for text in element.iter(dialect.name("t"))).isspace()


def _is_container(content: Any, dialect: Dialect) -> bool:
    return content is not None and _local(content) in dialect.containers


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
