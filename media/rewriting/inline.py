"""A text with inline markup: a passage is made of it, and the markup is put at the places of the passage's marks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from media.rewriting.passages import Passage, PassageMark

Kind = Literal["open", "close", "void", "kept"]
"""Whether a tag opens or closes a range, shows something by itself, or is an element whose text is not translated."""
Event = tuple[Literal["text", "open", "close", "void", "kept"], Any]
GAPS = "\t\n"
"""Tabs and line breaks, where a format shows them."""
_NAME = re.compile(r"</?([\w:-]*)")
_WORD_OR_SPACE = re.compile(r"\s+|\S+")


@dataclass
class Tag:
    """Markup at an offset of the text; a kept one goes to `end`. `key` tells which tags belong together."""

    offset: int
    source: Any
    kind: Kind
    key: str = ""
    end: int = 0

    def name(self) -> str:
        """Return the key by which an opening and a closing tag are paired."""
        found = _NAME.match(self.source) if isinstance(self.source, str) else None
        return self.key or (found[1].lower() if found else "")


@dataclass
class Block:
    """Text and inline tags, in order."""

    text: str = ""
    source: str = ""
    """The block as it was written, where that matters."""
    tags: list[Tag] = field(default_factory=list)
    has_gaps: bool = False
    """Whether its tabs and line feeds are shown as such: they are kept. Other white space is collapsed."""

    def has_words(self) -> bool:
        """Whether there is a letter in it."""
        return any(map(str.isalpha, self.text))

    def passage(self) -> Passage:
        """Return the text with its white space collapsed, and a mark per pair of tags, then one per other tag."""
        collapsed = _Collapsed(self.text, self.has_gaps)
        pairs, alone = self._paired()
        move = collapsed.moved
        marks = [PassageMark(start=move[first.offset], end=move[last.offset]) for first, last in pairs]
        for tag in alone:
            start = move[tag.offset]
            end = move[tag.end] if tag.end > tag.offset else start
            marks.append(PassageMark(start=start, end=end, kept=end > start))
        return Passage(text=collapsed.text, marks=tuple(marks))

    def events(self, answer: Passage) -> Iterator[Event]:
        """Yield the texts and tags of the block in another language, in order."""
        pairs, alone = self._paired()
        marks = list(answer.marks)
        order = {id(tag): number for number, tag in enumerate(self.tags)}
        inserted: list[tuple[int, int, int, int, Kind, Any]] = []
        skipped: dict[int, int] = {}
        for (first, last), mark in zip(pairs, marks, strict=False):
            length, place = mark.end - mark.start, order[id(first)]
            inserted.append((mark.start, 2, -length, place, "open", first.source))
            # Of ranges that end together, the inner one is closed first; an empty one is closed where it is opened.
            inserted.append((mark.end, 0 if length else 2, length, -place if length else place, "close", last.source))
        for number, (tag, mark) in enumerate(zip(alone, marks[len(pairs) :], strict=False)):
            inserted.append((mark.start, 1 if mark.start < len(answer.text) else 3, number, 0, tag.kind, tag.source))
            if tag.kind == "kept":
                skipped[mark.start] = max(mark.end, skipped.get(mark.start, 0))
        at = 0
        for offset, *_, kind, source in sorted(inserted, key=lambda each: each[:4]):
            if offset > at:
                yield "text", answer.text[at:offset]
                at = offset
            yield kind, source
            if kind == "kept":
                at = max(at, skipped.get(offset, at))
        if at < len(answer.text):
            yield "text", answer.text[at:]

    def events_between(self, answer: Passage, start: int, end: int) -> Iterator[Event]:
        """Yield the texts and tags of a part of the answer; tags around more than that are repeated in each part."""
        pairs, alone = self._paired()
        part = Block()
        marks: list[PassageMark] = []
        for number, (pair, mark) in enumerate(zip(pairs, answer.marks, strict=False)):
            if max(mark.start, start) < min(mark.end, end) or start <= mark.start == mark.end < end:
                part.tags += [replace(tag, key=f"{number}") for tag in pair]
                marks.append(PassageMark(start=max(mark.start, start) - start, end=min(mark.end, end) - start))
        for tag, mark in zip(alone, answer.marks[len(pairs) :], strict=False):
            if start <= mark.start < end or (mark.start == end == len(answer.text)):
                part.tags.append(tag)
                marks.append(PassageMark(start=mark.start - start, end=min(mark.end, end) - start, kept=mark.kept))
        yield from part.events(Passage(text=answer.text[start:end], marks=tuple(marks)))

    def _paired(self) -> tuple[list[tuple[Tag, Tag]], list[Tag]]:
        """Return the tags that belong together, and the others."""
        opened: list[Tag] = []
        pairs: list[tuple[Tag, Tag]] = []
        alone: list[Tag] = []
        for tag in self.tags:
            fitting = [each for each in opened if each.name() == tag.name()] if tag.kind == "close" else []
            if tag.kind == "open":
                opened.append(tag)
            elif fitting:
                last = max(number for number, each in enumerate(opened) if each is fitting[-1])
                pairs.append((opened[last], tag))
                alone += opened[last + 1 :]
                del opened[last:]
            else:
                alone.append(tag)
        order = {id(tag): number for number, tag in enumerate(self.tags)}
        return pairs, sorted([*alone, *opened], key=lambda tag: order[id(tag)])


class _Collapsed:
    """A text with its white space collapsed, except what has tabs or line feeds in it if these are gaps."""

    def __init__(self, text: str, has_gaps: bool) -> None:
        pieces: list[str] = []
        length = 0
        self.moved: list[int] = []
        """For each offset of the original, the offset in `text`; of collapsed white space, that before it."""
        for found in _WORD_OR_SPACE.finditer(text):
            piece = found[0]
            if piece.isspace() and not (has_gaps and any(gap in piece for gap in GAPS)):
                self.moved += [length] * len(piece)
                piece = " " if found.start() > 0 and found.end() < len(text) else ""
            else:
                self.moved += range(length, length + len(piece))
            pieces.append(piece)
            length += len(piece)
        self.moved.append(length)
        self.text = "".join(pieces)
