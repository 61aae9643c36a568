"""Write a translation into a paragraph of runs, in the formatting and the links of the original."""

import re
from copy import deepcopy
from typing import Any

from media.rewriting.inline import GAPS
from media.rewriting.packages.run_elements import Dialect, RunParagraph, holder_of, is_container, is_space
from media.rewriting.passages import Passage

_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


def write_paragraph(paragraph: RunParagraph, dialect: Dialect, answer: Passage) -> None:
    """Replace the runs of a paragraph by those of its translation."""
    element, block = paragraph.element, paragraph.block
    events = list(block.events(answer))
    ending = [each for each in element if each.tag == dialect.name("endParaRPr")]
    for child in [each for each in element if each.tag != dialect.name("pPr")]:
        element.remove(child)
    writer = _Writer(paragraph, dialect)
    left = block.text[: len(block.text) - len(block.text.lstrip())]
    if left and not any(gap in left for gap in GAPS):
        writer.write("text", left)
    for kind, content in events:
        writer.write(kind, content)
    element.extend(ending)


class _Writer:
    """Puts the runs of a translation into a paragraph, with the formatting and the links that are open."""

    def __init__(self, paragraph: RunParagraph, dialect: Dialect) -> None:
        self._dialect = dialect
        self._places: list[Any] = [paragraph.element]
        self._formats: list[Any] = [paragraph.base]
        self._gaps = iter(paragraph.gaps)
        self._after_gap = False

    def write(self, kind: str, content: Any) -> None:
        """Add a text, an element that shows something else, or the start or end of what holds them."""
        if kind == "text":
            self._text(content)
        elif kind == "void":
            for each in content:
                self._show(each)
        elif is_container(content, self._dialect):
            self._container(kind, content)
        elif kind == "open":
            self._formats.append(content)
        elif len(self._formats) > 1:
            self._formats.pop()

    def _show(self, shown: Any) -> None:
        """Add an element, or a character that stands for one."""
        if isinstance(shown, str):
            self._places[-1].append(_run(self._dialect, self._formats[-1], shown))
        else:
            self._places[-1].append(shown)
        self._after_gap = isinstance(shown, str) or is_space(shown, self._dialect)

    def _text(self, text: str) -> None:
        """Add a text, with the elements that show its tabs and line breaks."""
        shown = ""
        for piece in re.split(f"([{GAPS}])", text.lstrip(" ") if self._after_gap else text):
            element = next(self._gaps, None) if piece and piece in GAPS else None
            if element is None:
                shown += piece
                continue
            self._words(shown)
            self._places[-1].append(element)
            shown = ""
        self._words(shown)
        self._after_gap = False

    def _words(self, text: str) -> None:
        if text:
            self._places[-1].append(_run(self._dialect, self._formats[-1], text))

    def _container(self, kind: str, content: Any) -> None:
        if kind == "open":
            holder = holder_of(content)
            for inner in list(holder):
                holder.remove(inner)
            self._places[-1].append(content)
            self._places.append(holder)
        elif len(self._places) > 1:
            self._places.pop()


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
