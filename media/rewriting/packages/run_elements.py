"""The elements of paragraphs of runs in docx, pptx and xlsx."""

import re
from dataclasses import dataclass
from typing import Any

from media.rewriting.inline import Block

GAP_ELEMENTS = {"tab": "\t", "br": "\n", "cr": "\n"}
"""Elements that are shown as white space."""
_CONTROL = "sdt"
"""A content control: its runs are in an element of it."""
_CONTROLS_WITH_CHOICES = frozenset(("dropDownList", "comboBox", "date", "checkbox", "picture"))


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
    gaps: tuple[Any, ...]
    """For each tab and line feed of the text the element that shows it; None for a character of a run."""


def local_name(element: Any) -> str:
    """Return the name of an element without its namespace; empty for comments."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def is_space(element: Any, dialect: Dialect) -> bool:
    """Whether an element is shown as white space, such as a tab or a line break: no space is needed after it."""
    has_gap = any(element.find(dialect.name(local)) is not None for local in GAP_ELEMENTS)
    if has_gap or local_name(element) in GAP_ELEMENTS:
        return True
    return local_name(element) == "r" and "".join(text.text or "" for text in element.iter(dialect.name("t"))).isspace()


def is_container(content: Any, dialect: Dialect) -> bool:
    """Whether an element of a paragraph holds runs that are translated; a control with choices or a date does not."""
    if content is None or local_name(content) not in dialect.containers:
        return False
    return local_name(content) != _CONTROL or holder_of(content) is not content


def holder_of(container: Any) -> Any:
    """Return the element that has the runs of a container; the container itself if they are in it."""
    if local_name(container) != _CONTROL:
        return container
    parts = {local_name(each): each for each in container}
    has_choices = any(local_name(each) in _CONTROLS_WITH_CHOICES for each in parts.get("sdtPr", ()))
    return container if has_choices else parts.get("sdtContent", container)


def properties_of(run: Any, dialect: Dialect) -> Any:
    return run.find(dialect.name("rPr"))
