"""Subtitles: from the segments of a transcript to cues that can be read in time, and to SRT, WebVTT and plain text.

Pure functions. A cue has at most two lines of 42 columns (a Chinese, Japanese or Korean character takes two) and stands
for at most seven seconds; where a segment is longer, it is cut at the times of its words, after a sentence or a clause
if one ends there.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest

from pydantic import BaseModel, ConfigDict, Field

from modalities.speech.segments import Segment

COLUMNS = 42
LONGEST_SECONDS = 7.0
_SHORTEST_MS = 1000
"""A cue stays this long if the next one lets it."""
_PAUSE_MS = 1500
_SENTENCE_END = tuple(".!?…。！？")
_CLAUSE_END = tuple(",;:，、；：")
_NO_LINE_START = frozenset("、。，．・：；？！）」』】〕］｝〉》’”ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ)]},.!?;:%")


class Cue(BaseModel):
    """What stands on the screen from one time to another; lines are parted by line feeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(ge=0)
    end_seconds: float = Field(ge=0)
    text: str


@dataclass(frozen=True)
class _Atom:
    """Text that no line break divides, with the space before it, and its times in milliseconds."""

    text: str
    start: int
    end: int


def cues(segments: Iterable[Segment]) -> tuple[Cue, ...]:
    """Readable cues in order of time, none of which overlap."""
    groups = [group for segment in segments for group in _groups(list(_atoms(segment)))]
    timed: list[tuple[int, int, str]] = []
    free_from = 0
    for group in groups:
        start = max(group[0].start, free_from)
        end = max(min(group[-1].end, start + int(LONGEST_SECONDS * 1000)), start + 1)
        timed.append((start, end, "\n".join(_lines([atom.text for atom in group]))))
        free_from = end
    return tuple(
        Cue(start_seconds=start / 1000, end_seconds=_lengthened(start, end, after) / 1000, text=text)
        for (start, end, text), after in zip_longest(timed, timed[1:])
    )


def translated_segments(segments: Sequence[Segment], texts: Sequence[str]) -> tuple[Segment, ...]:
    """The segments' times with other words, whose own times are unknown; their cues are cut in proportion."""
    return tuple(
        segment.model_copy(update={"text": text, "words": ()}) for segment, text in zip(segments, texts, strict=True)
    )


def translated_cues(originals: Sequence[Cue], texts: Sequence[str]) -> tuple[Cue, ...]:
    """The cues at the same times with other texts, which may take more than two lines where they are longer."""
    return tuple(
        cue.model_copy(update={"text": "\n".join(_wrapped(text))}) for cue, text in zip(originals, texts, strict=True)
    )


def to_srt(shown: Sequence[Cue]) -> str:
    """SubRip: numbered cues, a comma before the milliseconds."""
    blocks = (
        f"{number}\n{_clock(cue.start_seconds, ',')} --> {_clock(cue.end_seconds, ',')}\n{_srt_text(cue.text)}\n"
        for number, cue in enumerate(shown, start=1)
    )
    return "\n".join(blocks)


def to_vtt(shown: Sequence[Cue]) -> str:
    """WebVTT: a full stop before the milliseconds; &, < and > are escaped."""
    blocks = (
        f"{_clock(cue.start_seconds, '.')} --> {_clock(cue.end_seconds, '.')}\n{_vtt_text(cue.text)}\n" for cue in shown
    )
    return "\n".join(["WEBVTT\n", *blocks])


def to_text(segments: Iterable[Segment]) -> str:
    """The words alone, a line for each segment."""
    return "".join(f"{' '.join(segment.text.split())}\n" for segment in segments if segment.text.strip())


def columns(text: str) -> int:
    """The width of a line: two for each wide character, none for combining marks."""
    return sum(_width(character) for character in text)


def _groups(atoms: list[_Atom]) -> Iterator[list[_Atom]]:
    """The atoms of each cue of a segment."""
    start = 0
    while start < len(atoms):
        end = start + 1
        while end < len(atoms) and _goes_on(atoms, start, end):
            end += 1
        if end < len(atoms):
            end = _better_end(atoms, start, end)
        yield atoms[start:end]
        start = end


def _goes_on(atoms: list[_Atom], start: int, end: int) -> bool:
    """Whether the atom at `end` can stand in the cue that begins with the one at `start`."""
    is_in_time = atoms[end].end - atoms[start].start <= LONGEST_SECONDS * 1000
    is_at_once = atoms[end].start - atoms[end - 1].end < _PAUSE_MS
    return is_in_time and is_at_once and bool(_lines([atom.text for atom in atoms[start : end + 1]]))


def _better_end(atoms: list[_Atom], start: int, end: int) -> int:
    """After a sentence in the last two thirds of a cue, otherwise after a clause in its second half."""
    for marks, share in ((_SENTENCE_END, 1 / 3), (_CLAUSE_END, 1 / 2)):
        for cut in range(end, start + int((end - start) * share), -1):
            if atoms[cut - 1].text.endswith(marks):
                return cut
    return end


def _lines(texts: list[str]) -> list[str]:
    """One line, or two of nearly equal width; none if two cannot hold the texts."""
    whole = "".join(texts).strip()
    if columns(whole) <= COLUMNS:
        return [whole]
    widths = list(accumulate(columns(text) for text in texts))
    best: list[str] = []
    least = COLUMNS + 1
    for cut in range(1, len(texts)):
        gap = columns(texts[cut]) - columns(texts[cut].lstrip())
        first, second = widths[cut - 1], widths[-1] - widths[cut - 1] - gap
        first -= columns(texts[0]) - columns(texts[0].lstrip())
        if max(first, second) <= COLUMNS and abs(first - second) < least:
            least = abs(first - second)
            best = ["".join(texts[:cut]).strip(), "".join(texts[cut:]).strip()]
    return best


def _wrapped(text: str) -> list[str]:
    """As few lines as hold the text."""
    lines: list[str] = [""]
    pieces = [atom.text for atom in _split(text, 0, 0)]
    if nearly_equal := _lines(pieces):
        return nearly_equal
    for piece in pieces:
        if columns(lines[-1] + piece) > COLUMNS and lines[-1]:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return lines


def _atoms(segment: Segment) -> Iterator[_Atom]:
    """What must stay together, from the words' times; without words, in proportion to the width."""
    if not segment.words:
        yield from _split(segment.text, _ms(segment.start_seconds), _ms(segment.end_seconds))
        return
    joined: list[_Atom] = []
    for word in segment.words:
        start, end = _ms(word.start_seconds), _ms(word.end_seconds)
        last = joined[-1] if joined else None
        if last and word.text and not _may_break(last.text[-1:], word.text[0]):
            joined[-1] = _Atom(last.text + word.text, last.start, max(last.end, end))
        elif word.text:
            joined.append(_Atom(word.text, start, end))
    for atom in joined:
        yield from _split(atom.text, atom.start, atom.end)


def _split(text: str, start: int, end: int) -> Iterator[_Atom]:
    """Text cut wherever a line may break; a word wider than a line is cut at its edge. Times go by the width."""
    pieces = list(_pieces(text))
    total = max(sum(columns(piece) for piece in pieces), 1)
    length, before = max(end - start, 0), 0
    for piece in pieces:
        after = before + columns(piece)
        yield _Atom(piece, start + length * before // total, start + length * after // total)
        before = after


def _pieces(text: str) -> Iterator[str]:
    piece = " " if text[:1].isspace() else ""
    for character in " ".join(_visible(text).split()):
        is_too_wide = columns(piece.strip()) + _width(character) > COLUMNS
        if piece.strip() and (is_too_wide or _may_break(piece[-1], character)):
            yield piece
            piece = ""
        piece += character
    if piece.strip():
        yield piece


def _may_break(before: str, after: str) -> bool:
    """Whether a line may end between two characters."""
    if after.isspace():
        return True
    is_wide = _width(after) == 2 or (before != "" and _width(before) == 2)
    return is_wide and _width(after) > 0 and after not in _NO_LINE_START and before not in "「『（【〔［｛〈《“‘("


def _lengthened(start: int, end: int, after: tuple[int, int, str] | None) -> int:
    wanted = max(end, start + _SHORTEST_MS)
    return min(wanted, after[0]) if after else wanted


def _visible(text: str) -> str:
    """Without control characters, which break players; white space stays."""
    return "".join(c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp"))


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _srt_text(text: str) -> str:
    return text.replace("-->", "→")


def _vtt_text(text: str) -> str:
    return re.sub(r"[&<>]", lambda found: {"&": "&amp;", "<": "&lt;", ">": "&gt;"}[found[0]], text)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _clock(seconds: float, point: str) -> str:
    """HH:MM:SS and milliseconds; as many hours as it takes."""
    rest, milliseconds = divmod(_ms(seconds), 1000)
    minutes, second = divmod(rest, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{point}{milliseconds:03}"
