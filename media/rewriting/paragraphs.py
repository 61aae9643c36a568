"""Paragraphs that are wrapped by line breaks: join their lines, and wrap the translation as wide."""

import re
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from media.rewriting.cues import joined_text

_ITEM = re.compile(r"^\s*(?:[-*+•–—]\s|\d{1,3}[.)]\s|[#>|]|\w{1,20}:\s*$|```|={3,}|-{3,})")
_STOPS = tuple(".!?…:;。！？：；")
_NARROWEST, _SLACK = 30, 14


@dataclass(frozen=True)
class Paragraph:
    """A paragraph on one line, with its indents and the width at which it was wrapped; 0 if it was not."""

    text: str
    indent: str = ""
    hanging: str = ""
    width: int = 0

    def wrapped(self, text: str) -> list[str]:
        """Return the lines of a translation of the paragraph."""
        if not self.width or not text.strip():
            return [self.indent + text]
        if any(unicodedata.east_asian_width(c) in "WF" for c in text):
            return _wide_lines(text, self.indent, self.hanging, self.width)
        return textwrap.wrap(
            text,
            self.width,
            initial_indent=self.indent,
            subsequent_indent=self.hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )


def split_paragraphs(lines: Sequence[str]) -> list[Paragraph]:
    """Join the lines of each wrapped paragraph; a line that stands alone is a paragraph."""
    width = _wrap_width(lines)
    paragraphs: list[Paragraph] = []
    group: list[str] = []
    for number, line in enumerate(lines):
        group.append(line)
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if not _is_wrapped(line, following, width):
            paragraphs.append(_paragraph(group, width))
            group = []
    return paragraphs


def _wrap_width(lines: Sequence[str]) -> int:
    """Return the width at which a text seems to be wrapped; 0 if its lines are of any length."""
    full = [len(one) for one, other in pairwise(lines) if one.strip() and other.strip()]
    if not full or max(full) < _NARROWEST:
        return 0
    longest = max(full)
    near = sum(longest - _SLACK <= length for length in full)
    return longest if near * 2 >= len(full) and longest <= 120 else 0


def _is_wrapped(line: str, following: str, width: int) -> bool:
    """Whether a paragraph goes on in the next line: its first word would not have fitted into this one."""
    if not width or not line.strip() or not following.strip() or _ITEM.match(following):
        return False
    if re.match(r"^\s*(?:[#|]|```)", line):
        return False
    would_fit = len(line) + 1 + len(following.split()[0]) <= width
    if would_fit and line.rstrip().endswith(_STOPS):
        return False
    return not would_fit or following.lstrip()[:1].islower()


def _paragraph(group: list[str], width: int) -> Paragraph:
    indent = re.match(r"\s*", group[0])
    hanging = re.match(r"\s*", group[1]) if len(group) > 1 else None
    return Paragraph(
        text=joined_text(group) if len(group) > 1 else group[0][indent.end() if indent else 0 :],
        indent=indent[0] if indent else "",
        hanging=hanging[0] if hanging else "",
        width=width if len(group) > 1 else 0,
    )


def _wide_lines(text: str, indent: str, hanging: str, width: int) -> list[str]:
    """Wrap a text of characters that take two columns; a line does not begin with a stop."""
    lines = [indent]
    for character in text:
        columns = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in lines[-1] + character)
        if columns > width and character not in "，。、；：！？）」』】》" and lines[-1].strip():
            lines.append(hanging)
        lines[-1] += character
    return [line.rstrip() for line in lines]
