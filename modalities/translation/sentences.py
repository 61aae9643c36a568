"""Split a line into spans that are translated and spans that are copied; joined, they are the line."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

_ABBREVIATIONS = """
mr mrs ms dr prof sr jr st vs gen col sgt capt lt rev hon gov sen rep messrs approx
jan feb mar apr jun jul aug sep sept oct nov dec bzw ca evtl ggf inkl exkl vgl hr fr str geb bsp sog mio mrd tel
mm mme mlle mgr env av bd sra srta dña ud uds pág avda sig dott ing exmo
"""
_BEFORE_A_NUMBER = frozenset({"no", "nr", "nos", "vol", "fig", "p", "pp", "art", "abs", "núm", "n", "kap", "sec", "bl"})
# Possessive quantifiers and one match per run of stops keep the time linear in the length of the text.
_END = re.compile(
    r"""(?<![.!?…])(?P<stops>[.!?…]++)["'”’»›)\]]*+(?=\s)"""
    r"""|(?P<wide>[。！？｡]++[」』”’）》】]*+)"""
    r"""|(?P<gap>[\t\n])"""
)
_SPACE = re.compile(r"\s*")
_GAP = re.compile(r"\s+")
_CLAUSE = re.compile(r"[,;:–—]\s+|[，、；：]\s*")
_LAST_WORD = re.compile(r"[^\s(\[\"'“„«»]+\Z")
_BULLET = re.compile(r"(?:[-–—*•·▪►>]{1,8}|\(?\d{1,3}[.)])\s+")
_ADDRESS = re.compile(r"\w+://\S+|www\.\S+|\S+@\S+\.\w+")
_JOINERS = "\u200d\ufe0f\ufe0e\u20e3"
_LONGEST_ABBREVIATION = 24
_LONGEST_ADDRESS = 400
_LONGEST_CLUSTER = 16
_MAX_CHARACTERS_PER_TOKEN = 24
"""No vocabulary averages more characters per token, so a longer text exceeds a limit without being tokenized."""


class Span(NamedTuple):
    """A part of a line; `copied` if it is language-neutral: spaces, emoji, numbers, addresses and bullets."""

    text: str
    copied: bool = False


def split_line(line: str) -> list[Span]:
    """Split a line into sentences and the language-neutral spans around them, in order."""
    return [span for sentence in _sentences(line) for span in _framed(sentence)]


def split_to_fit(sentence: str, count: Callable[[str], int], limit: int) -> list[Span]:
    """Split a sentence into parts of at most `limit` tokens, near its middle: at clauses, spaces or anywhere."""
    if len(sentence) < 2 or (len(sentence) <= limit * _MAX_CHARACTERS_PER_TOKEN and count(sentence) <= limit):
        return [Span(sentence)]
    cut = _split_position(sentence)
    left, right = sentence[:cut].rstrip(), sentence[cut:].lstrip()
    gap = sentence[len(left) : len(sentence) - len(right)]
    return [
        *(split_to_fit(left, count, limit) if left else []),
        *([Span(gap, copied=True)] if gap else []),
        *(split_to_fit(right, count, limit) if right else []),
    ]


def symbols(text: str) -> list[str]:
    """List the runs of emoji and other pictographs in a text."""
    return ["".join(run) for is_run, run in groupby(text, _is_symbol) if is_run]


def _is_symbol(character: str) -> bool:
    """Whether a character is a pictograph rather than part of a word, a number or punctuation."""
    return unicodedata.category(character) in ("So", "Sk", "Co", "Cn") or character in _JOINERS


def _sentences(line: str) -> Iterator[str]:
    """Yield the sentences with the space after them; a tab or a line feed ends a sentence too."""
    start = 0
    for found in _END.finditer(line):
        if found["stops"] is None or _ends_sentence(line, start, found):
            end = _after_space(line, found.end())
            yield line[start:end]
            start = end
    if start < len(line):
        yield line[start:]


def _ends_sentence(line: str, start: int, found: re.Match[str]) -> bool:
    """Whether the stops end a sentence, rather than an abbreviation, an ordinal or a quotation within it."""
    after = _after_space(line, found.end())
    following = line[after : after + 1]
    if following.islower():
        return False
    if found["stops"] != ".":
        return True
    last = _LAST_WORD.search(line[max(start, found.start() - _LONGEST_ABBREVIATION) : found.start()])
    word = last[0].lower() if last else ""
    if word in _BEFORE_A_NUMBER:
        return not following.isdigit()
    return not _is_abbreviation(word)


def _is_abbreviation(word: str) -> bool:
    """Whether a full stop after the word belongs to it: Dr, J, z.B, U.S, 3 (German ordinals)."""
    is_ordinal = word.isdigit() and len(word) <= 2
    is_initials = all(len(part) <= 2 and part.isalpha() for part in word.split(".")) and (len(word) == 1 or "." in word)
    return is_ordinal or is_initials or word in _ABBREVIATIONS.split()


def _framed(sentence: str) -> Iterator[Span]:
    """Split a sentence into the copied prefix, the words, and the copied suffix."""
    start, end = _after_frame(sentence, 0), len(sentence)
    if bullet := _BULLET.match(sentence, start):
        start = _after_frame(sentence, bullet.end())
    while end > start and _is_frame(sentence[end - 1]):
        end -= 1
    words = sentence[start:end]
    if not _has_words(words):
        yield Span(sentence, copied=True)
        return
    frame = (Span(sentence[:start], copied=True), Span(words), Span(sentence[end:], copied=True))
    yield from (span for span in frame if span.text)


def _has_words(text: str) -> bool:
    is_address = len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None
    return not is_address and any(character.isalpha() for character in text)


def _after_frame(sentence: str, start: int) -> int:
    while start < len(sentence) and _is_frame(sentence[start]):
        start += 1
    return start


def _is_frame(character: str) -> bool:
    return character.isspace() or _is_symbol(character) or unicodedata.category(character) in ("Cc", "Cf")


def _after_space(line: str, start: int) -> int:
    found = _SPACE.match(line, start)
    return found.end() if found else start


def _split_position(sentence: str) -> int:
    """Return the best split position: after a clause in the middle half, else after a space there, else the middle."""
    middle, quarter = len(sentence) // 2, len(sentence) // 4
    for pattern in (_CLAUSE, _GAP):
        ends = [found.end() for found in pattern.finditer(sentence, quarter, len(sentence) - quarter)]
        if ends:
            return min(ends, key=lambda end: abs(end - middle))
    cut = middle
    while cut < min(len(sentence) - 1, middle + _LONGEST_CLUSTER) and _extends_cluster(sentence[cut]):
        cut += 1
    return cut


def _extends_cluster(character: str) -> bool:
    return unicodedata.combining(character) > 0 or character in _JOINERS
