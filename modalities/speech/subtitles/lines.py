"""Break text into lines: where a line may break, how wide text is, and two lines of nearly equal width."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from modalities.speech.subtitles.styles import Style

_NO_LINE_START = frozenset("、。，．・：；？！）」』】〕］｝〉》’”ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ)]},.!?;:%")
_NOT_WIDE = r"[^\s\u3000-\u9fff\uff00-\uffef]"
ADDRESS = re.compile(
    rf"(?:https?://|www\.){_NOT_WIDE}+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    rf"|(?<![\w.])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{{2,}}(?:/{_NOT_WIDE}*)?",
    re.IGNORECASE | re.ASCII,
)
"""A web or e-mail address, which is never broken."""


@dataclass(frozen=True)
class Atom:
    """Text that a line break must not split, with the space before it, and its times in milliseconds."""

    text: str
    start: int
    end: int


def columns(text: str) -> int:
    """Return the display width of a text: two columns per wide character, none per combining mark."""
    return sum(_width(character) for character in text)


def is_wide(text: str) -> bool:
    """Whether more than half of a text is Chinese, Japanese or Korean."""
    letters = [character for character in text if character.isalnum()]
    return sum(1 for letter in letters if _width(letter) == 2) * 2 > len(letters)


def line_columns(text: str, style: Style) -> int:
    """Return how wide a line of this text may be."""
    return style.wide_columns if is_wide(text) else style.columns


def set_lines(texts: list[str], limit: int) -> list[str]:
    """Set texts in one line, or in two of nearly equal width; return no line if they need more than two.

    A single text that is wider than a line is an address, and a line of its own.
    """
    whole = "".join(texts).strip()
    if columns(whole) <= limit or len(texts) == 1:
        return [whole]
    widths = list(accumulate(columns(text) for text in texts))
    best: list[str] = []
    least = limit + 1
    for cut in range(1, len(texts)):
        gap = columns(texts[cut]) - columns(texts[cut].lstrip())
        first, second = widths[cut - 1], widths[-1] - widths[cut - 1] - gap
        first -= columns(texts[0]) - columns(texts[0].lstrip())
        if max(first, second) <= limit and abs(first - second) < least:
            least = abs(first - second)
            best = ["".join(texts[:cut]).strip(), "".join(texts[cut:]).strip()]
    return best


def split(text: str, start: int, end: int, limit: int) -> Iterator[Atom]:
    """Split a text at every possible line break, and a word that is wider than a line at the line's width.

    Times are interpolated by text width.
    """
    pieces = list(_pieces(text, limit))
    total = max(sum(columns(piece) for piece in pieces), 1)
    length, before = max(end - start, 0), 0
    for piece in pieces:
        after = before + columns(piece)
        yield Atom(piece, start + length * before // total, start + length * after // total)
        before = after


def may_break(before: str, after: str) -> bool:
    """Whether a line may break between two characters."""
    if after.isspace():
        return True
    is_wide_break = _width(after) == 2 or (before != "" and _width(before) == 2)
    return is_wide_break and _width(after) > 0 and after not in _NO_LINE_START and before not in "「『（【〔［｛〈《“‘("


def _pieces(text: str, limit: int) -> Iterator[str]:
    piece = " " if text[:1].isspace() else ""
    shown = " ".join(_visible(text).split())
    addresses = {place for found in ADDRESS.finditer(shown) for place in range(found.start() + 1, found.end())}
    for place, character in enumerate(shown):
        is_too_wide = columns(piece.strip()) + _width(character) > limit and place not in addresses
        if piece.strip() and place not in addresses and (is_too_wide or may_break(piece[-1], character)):
            yield piece
            piece = ""
        piece += character
    if piece.strip():
        yield piece


def _visible(text: str) -> str:
    """Remove control characters, which break players; keep white space."""
    return "".join(c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp"))


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
