"""Translate SRT and WebVTT: a sentence over several cues is one passage; times, numbers and the count of cues stay."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from media.rewriting.cue_syntax import TAG, cue_times, without_tags
from media.rewriting.cues import TimedText, sentence_groups, share_out, space_between
from media.rewriting.inline import Block, Kind, Tag
from media.rewriting.passages import Passage, TranslatePassages

_SPEAKER = re.compile(r"^\s*[-–—]\s*")
_LINE_COLUMNS = 42


@dataclass
class _Line:
    """Lines of a cue that are said together, with the tags around them."""

    before: str
    block: Block
    after: str
    lines: int
    time: tuple[float, float]


def rewrite_subtitles(text: str, translate: TranslatePassages) -> str:
    """Translate the cues of a file."""
    parts = list(_parts(text.split("\n")))
    lines = [part for part in parts if isinstance(part, _Line)]
    timed = [TimedText(f"- {each.block.text}" if "-" in each.before else each.block.text, *each.time) for each in lines]
    groups = [group for group in sentence_groups(timed) if any(lines[n].block.has_words() for n in group)]
    passages = [_joined([lines[number] for number in group]).passage() for group in groups]
    shown: dict[int, str] = {}
    for group, answer in zip(groups, translate(passages), strict=True):
        for number, words in zip(group, _said_in_cues([lines[number] for number in group], answer), strict=True):
            shown[id(lines[number])] = _wrapped(words, lines[number].lines)
    return "\n".join(
        part if isinstance(part, str) else f"{part.before}{shown.get(id(part), part.block.source)}{part.after}"
        for part in parts
    )


def _joined(group: Sequence[_Line]) -> Block:
    """Join the blocks of cues, with spaces as between their texts."""
    joined = Block()
    for line in group:
        joined.text += space_between(joined.text.rstrip(), line.block.text.lstrip())
        joined.tags += [replace(tag, offset=tag.offset + len(joined.text)) for tag in line.block.tags]
        joined.text += line.block.text
    return joined


def _said_in_cues(group: Sequence[_Line], answer: Passage) -> Iterator[str]:
    """Share an answer out over the cues of a group, each with the tags around its words."""
    block = _joined(group)
    weights = [max(len(line.block.text.strip()), 1) for line in group]
    start = end = 0
    for words in share_out(answer.text, weights) if len(group) > 1 else [answer.text]:
        found = answer.text.find(words, end)
        if found >= 0:  # the last words are repeated where there are too few
            start, end = found, found + len(words)
        yield "".join(content for _, content in block.events_between(answer, start, end))


def _parts(lines: Sequence[str]) -> Iterator[str | _Line]:
    """Yield the lines that are copied, and what is said in the cues."""
    at = 0
    while at < len(lines):
        times = cue_times(lines[at])
        yield lines[at]
        at += 1
        if times:
            end = next((n for n in range(at, len(lines)) if not lines[n].strip()), len(lines))
            yield from _said(lines[at:end], times)
            at = end


def _said(lines: Sequence[str], time: tuple[float, float]) -> Iterator[_Line]:
    """Yield what is said in a cue: all of it, or line by line if several persons speak."""
    speakers = [bool(_SPEAKER.match(without_tags(line))) for line in lines]
    if len(lines) > 1 and all(speakers):
        yield from (_line([line], time) for line in lines)
    elif lines:
        yield _line(lines, time)


def _line(lines: Sequence[str], time: tuple[float, float]) -> _Line:
    text = "\n".join(line.rstrip("\r") for line in lines)
    start, end = _inner(text)
    block = Block(source=text[start:end])
    at = start
    for tag in TAG.finditer(text, start, end):
        block.text += text[at : tag.start()]
        block.tags.append(Tag(len(block.text), tag[0], _kind(tag[0])))
        at = tag.end()
    block.text += text[at:end]
    ending = "\r" if lines and lines[-1].endswith("\r") else ""
    return _Line(text[:start], block, text[end:] + ending, len(lines), time)


def _inner(text: str) -> tuple[int, int]:
    """Return where the words of a cue begin and end, without the tags around all of them."""
    before = re.match(rf"(?:{TAG.pattern}|\s|[-–—]\s)*", text)
    start = before.end() if before else 0
    after = re.search(rf"(?:{TAG.pattern}|\s)*$", text[start:])
    end = start + (after.start() if after else len(text))
    for first, last in _pairs(text):
        is_before, is_after = first < start, last >= end
        if is_before and not is_after:
            start = min(start, first)
        elif is_after and not is_before:
            end = max(end, text.index(">", last) + 1)
    return start, end


def _pairs(text: str) -> Iterator[tuple[int, int]]:
    """Yield where tags that belong together begin."""
    opened: list[tuple[str, int]] = []
    for tag in TAG.finditer(text):
        name = re.sub(r"\W.*", "", tag[0].lstrip("</"))
        if _kind(tag[0]) == "open":
            opened.append((name, tag.start()))
        elif opened and _kind(tag[0]) == "close" and opened[-1][0] == name:
            yield opened.pop()[1], tag.start()


def _kind(tag: str) -> Kind:
    if tag.startswith("</"):
        return "close"
    return "open" if tag[:2].lower() in ("<i", "<b", "<u", "<f", "<c", "<v") else "void"


def _wrapped(text: str, lines: int) -> str:
    """Break a text near its middle if it had several lines, or is wider than a line."""
    plain = without_tags(text)
    if len(plain) <= _LINE_COLUMNS and (lines < 2 or len(plain) < _LINE_COLUMNS * 2 / 3):
        return text
    places = [found.start() for found in re.finditer(r" (?![^<>{}]*[>}])", text)]
    if not places:
        return text
    middle = min(places, key=lambda place: abs(place - len(text) / 2))
    return f"{text[:middle]}\n{text[middle + 1 :]}"
