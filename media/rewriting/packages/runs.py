"""Read paragraphs of runs, as docx, pptx and xlsx have them: their text, with tags around other formatting."""

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from media.rewriting.inline import GAPS, Block, Kind, Tag
from media.rewriting.packages.run_elements import (
    GAP_ELEMENTS,
    Dialect,
    RunParagraph,
    holder_of,
    is_container,
    is_space,
    local_name,
    properties_of,
)

_NO_FORMATTING = frozenset(("lang", "noProof", "proofErr", "rtl", "webHidden"))
"""Properties of runs that nobody sees."""
_UNSEEN = frozenset(("pPr", "rPh", "phoneticPr", "endParaRPr", "proofErr", "lastRenderedPageBreak"))
"""Elements that a paragraph can do without: properties of it, phonetic guides, and what a program noted about it."""


def read_paragraph(paragraph: Any, dialect: Dialect) -> RunParagraph:
    """Read the text of a paragraph; runs that differ from most of it are between tags."""
    weights: Counter[bytes] = Counter()
    found: dict[bytes, Any] = {}
    for run in _own_runs(paragraph, dialect):
        key = _format_key(run, dialect)
        weights[key] += sum(len(text.text or "") for text in run.iterfind(dialect.name("t")))
        found.setdefault(key, properties_of(run, dialect))
    base = weights.most_common(1)[0][0] if weights else b""
    reader = _Reader(dialect, base)
    for child in list(paragraph):
        reader.read(child)
    reader.join_wrapped_lines()
    return RunParagraph(paragraph, reader.block, deepcopy(found.get(base)), tuple(reader.gaps))


def _own_runs(element: Any, dialect: Dialect) -> Iterator[Any]:
    """Yield the runs of a paragraph and of its links, without those of paragraphs in a text box in it."""
    for child in element:
        if child.tag == dialect.name("r"):
            yield child
        elif is_container(child, dialect):
            yield from _own_runs(holder_of(child), dialect)


class _Reader:
    """Collects the text and tags of a paragraph."""

    def __init__(self, dialect: Dialect, base: bytes) -> None:
        self.block = Block(has_gaps=True)
        self.gaps: list[Any] = []
        self._dialect = dialect
        self._base = base
        self._open_fields = 0

    def read(self, child: Any) -> None:
        """Add a child of the paragraph, or of a link in it."""
        local = local_name(child)
        if local in _UNSEEN:
            return
        if local == "t" and self._dialect.has_bare_texts:
            self._add(child.text or "")
        elif local == "r":
            self._run(child)
        elif is_container(child, self._dialect) and not self._open_fields:
            self._tag(child, "open", f"{id(child)}")
            for inner in list(holder_of(child)):
                self.read(inner)
            self._tag(child, "close", f"{id(child)}")
        elif local in GAP_ELEMENTS and not self._open_fields:
            self._gap(GAP_ELEMENTS[local], child)
        else:
            self._show(child)

    def join_wrapped_lines(self) -> None:
        """Make a mark of each line break after which a sentence goes on: the next line begins with a small letter."""
        places = [number for number, character in enumerate(self.block.text) if character in GAPS]
        gaps, self.gaps = self.gaps, []
        for place, gap in zip(places, gaps, strict=True):
            following = self.block.text[place + 1 :].lstrip(" ")[:1]
            if self.block.text[place] == "\t" or not following.islower():
                self.gaps.append(gap)
                continue
            self.block.text = f"{self.block.text[:place]} {self.block.text[place + 1 :]}"
            before = [number for number, tag in enumerate(self.block.tags) if tag.offset > place]
            at = before[0] if before else len(self.block.tags)
            self.block.tags.insert(at, Tag(place, ["\n"] if gap is None else [gap], "void"))

    def _run(self, run: Any) -> None:
        """Add the text of a run; what else it shows is kept in runs of its own. A field is kept as it is."""
        contents = [each for each in run if local_name(each) not in ("rPr", *_UNSEEN)]
        texts = [each for each in contents if each.tag == self._dialect.name("t")]
        kinds = [each.get(self._dialect.name("fldCharType")) for each in contents if local_name(each) == "fldChar"]
        is_gap = len(contents) == 1 and local_name(contents[0]) in GAP_ELEMENTS and not self._open_fields
        if is_gap:
            self._gap(GAP_ELEMENTS[local_name(contents[0])], run)
        elif (contents and not texts) or (self._open_fields and not kinds):
            self._open_fields = max(self._open_fields + kinds.count("begin") - kinds.count("end"), 0)
            self._show_each(run, contents)
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
            self._tag(properties_of(run, self._dialect), "open", key)
        self._add(text)
        if key:
            self._tag(properties_of(run, self._dialect), "close", key)

    def _add(self, text: str) -> None:
        """Add characters; those of a format that shows no line feeds in a text are spaces."""
        shown = text if self._dialect.has_bare_texts else text.replace("\n", " ")
        self.block.text += shown
        self.gaps += [None for character in shown if character in GAPS]

    def _gap(self, character: str, element: Any) -> None:
        """Add a tab or a line break, and the element that shows it."""
        self.block.text += character
        self.gaps.append(element)

    def _show_each(self, run: Any, contents: list[Any]) -> None:
        """Show a run without a text; tabs and breaks beside other things in it are gaps."""
        if self._open_fields or len(contents) < 2 or not any(local_name(each) in GAP_ELEMENTS for each in contents):
            self._show(run)
            return
        for single in [_with_only(run, each, self._dialect) for each in contents]:
            self._run(single)

    def _show(self, element: Any) -> None:
        """Add what is shown as it is; a word ends before white space."""
        self.block.tags.append(Tag(len(self.block.text), [element], "void"))
        if is_space(element, self._dialect) and self.block.text and not self.block.text[-1].isspace():
            self.block.text += " "

    def _tag(self, source: Any, kind: Kind, key: str) -> None:
        self.block.tags.append(Tag(len(self.block.text), source, kind, key=key))


def _with_only(run: Any, content: Any, dialect: Dialect) -> Any:
    """Return a run with the properties of another one, and one of its contents, which is moved."""
    single = run.makeelement(run.tag, dict(run.attrib), run.nsmap)
    if (properties := properties_of(run, dialect)) is not None:
        single.append(deepcopy(properties))
    single.append(content)
    return single


def _format_key(run: Any, dialect: Dialect) -> bytes:
    """Return what of a run's properties can be seen."""
    from lxml import etree

    properties = properties_of(run, dialect)
    if properties is None:
        return b""
    seen = deepcopy(properties)
    for each in [each for each in seen if each.tag.rpartition("}")[2] in _NO_FORMATTING]:
        seen.remove(each)
    for attribute in ("lang", "altLang", "dirty", "err", "smtClean", "noProof"):
        seen.attrib.pop(attribute, None)
    return etree.tostring(seen, method="c14n") if len(seen) or seen.attrib else b""
