"""A text with inline markup: a passage is made of it, and the markup is put at the places of the passage's marks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from media.rewriting.passages import Passage, PassageMark

Kind = Literal["open", "close", "void", "kept"]
"""Whether a tag opens or closes a range, shows something by itself, or is an element whose text is not translated."""
Event = tuple[Literal["text", "open", "close", "void", "kept"], Any]
_NAME = re.compile(r"</?([\w:-]*)")


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

    def has_words(self) -> bool:
        """Whether there is a letter in it."""
        return any(map(str.isalpha, self.text))

    def passage(self) -> Passage:
        """Return the text with its white space collapsed, and a mark per pair of tags, then one per other tag."""
        move = _Offsets(self.text)
        pairs, alone = self._paired()
        marks = [PassageMark(start=move(first.offset), end=move(last.offset)) for first, last in pairs]
        for tag in alone:
            start = move(tag.offset)
            end = move(tag.end) if tag.end > tag.offset else start
            marks.append(PassageMark(start=start, end=end, kept=end > start))
        return Passage(text=" ".join(self.text.split()), marks=tuple(marks))

    def events(self, answer: Passage) -> Iterator[Event]:
        """Yield the texts and tags of the block in another language, in order."""
        pairs, alone = self._paired()
        marks = list(answer.marks)
        inserted: list[tuple[int, int, int, Kind, Any]] = []
        skipped: dict[int, int] = {}
        for number, ((first, last), mark) in enumerate(zip(pairs, marks, strict=False)):
            is_empty = mark.start == mark.end
            length = mark.end - mark.start
            inserted.append((mark.start, 2, -length * 1000 + number, "open", first.source))
            inserted.append((mark.end, 2 if is_empty else 0, number if is_empty else length, "close", last.source))
        for number, (tag, mark) in enumerate(zip(alone, marks[len(pairs) :], strict=False)):
            inserted.append((mark.start, 1 if mark.start < len(answer.text) else 3, number, tag.kind, tag.source))
            if tag.kind == "kept":
                skipped[mark.start] = max(mark.end, skipped.get(mark.start, 0))
        at = 0
        for offset, _, _, kind, source in sorted(inserted, key=lambda each: each[:3]):
            if offset > at:
                yield "text", answer.text[at:offset]
                at = offset
            yield kind, source
            if kind == "kept":
                at = max(at, skipped.get(offset, at))
        if at < len(answer.text):
            yield "text", answer.text[at:]

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


class _Offsets:
    """Maps offsets of a text to those of the text with its white space collapsed."""

    def __init__(self, text: str) -> None:
        self._moved: list[int] = []
        length, pending = 0, False
        for character in text:
            self._moved.append(length + (1 if pending and length and not character.isspace() else 0))
            if character.isspace():
                pending = True
            else:
                length += 1 + (1 if pending and length else 0)
                pending = False
        self._moved.append(length)

    def __call__(self, offset: int) -> int:
        return self._moved[offset]
