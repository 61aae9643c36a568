"""Split a text into passages that are spoken one after the other: sentences, or a few short ones together."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST = 300
"""Characters of a passage: about twenty seconds of speech."""
_FIRST = 80
"""The first passage is short, so that something is heard soon."""
_SENTENCES = re.compile(r"(?<=[.!?…])[\"”’')\]]*\s+(?=\S)|\n+")
_CLAUSES = re.compile(r"(?<=[,;:—])\s+")
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Jr|Sr|vs|etc|No|Vol|e\.g|i\.e|approx)|\b[A-Z])\.$")
SENTENCE_PAUSE, PARAGRAPH_PAUSE = 0.15, 0.5
"""Seconds of silence after a passage."""


@dataclass(frozen=True)
class Passage:
    """Text that is spoken at once, and the seconds of silence after it."""

    text: str
    pause_seconds: float


def split_passages(text: str) -> list[Passage]:
    """Split a text at the ends of paragraphs and sentences; a very long sentence at its clauses, or between words."""
    found: list[Passage] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        passages = list(_joined(_sentences(paragraph), is_first=not found))
        found += [Passage(each, SENTENCE_PAUSE) for each in passages[:-1]]
        found += [Passage(each, PARAGRAPH_PAUSE) for each in passages[-1:]]
    return found


def _sentences(paragraph: str) -> Iterator[str]:
    begin = 0
    for cut in _SENTENCES.finditer(paragraph):
        if not _ABBREVIATION.search(paragraph[begin : cut.start()]):
            yield from _shortened(paragraph[begin : cut.end()].strip())
            begin = cut.end()
    yield from _shortened(paragraph[begin:].strip())


def _shortened(sentence: str) -> Iterator[str]:
    """Yield a sentence, or its clauses if it is too long, or parts of them."""
    if len(sentence) <= _LONGEST:
        yield from [sentence] if sentence else []
        return
    for clause in _joined(iter(_CLAUSES.split(sentence)), is_first=False):
        words = clause.split(" ")
        while words:
            count, length = 0, 0
            while count < len(words) and (count == 0 or length + len(words[count]) < _LONGEST):
                length += len(words[count]) + 1
                count += 1
            part = " ".join(words[:count])
            yield from (part[start : start + _LONGEST] for start in range(0, len(part), _LONGEST))
            words = words[count:]


def _joined(parts: Iterator[str], *, is_first: bool) -> Iterator[str]:
    """Join short parts up to the length of a passage."""
    together = ""
    for part in parts:
        limit = _FIRST if is_first else _LONGEST
        if together and len(together) + 1 + len(part) > limit:
            yield together
            together, is_first = part, False
        else:
            together = f"{together} {part}".strip()
    if together:
        yield together
