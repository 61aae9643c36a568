"""Split the segments of a transcript into readable subtitle cues, and write SRT, WebVTT and plain text.

A cue has at most two lines of 42 columns (a Chinese, Japanese or Korean character takes two) and is shown for at most
seven seconds. A longer segment is split at its word times, preferably after a sentence or a clause.
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
"""A shorter cue is extended to this duration, at most to the start of the next one."""
_PAUSE_MS = 1500
_SENTENCE_END = tuple(".!?…。！？")
_CLAUSE_END = tuple(",;:，、；：")
_NO_LINE_START = frozenset("、。，．・：；？！）」』】〕］｝〉》’”ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ)]},.!?;:%")


class Cue(BaseModel):
    """A subtitle with its start and end; its lines are separated by line feeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(ge=0)
    end_seconds: float = Field(ge=0)
    text: str


@dataclass(frozen=True)
class _Atom:
    """Text that a line break must not split, with the space before it, and its times in milliseconds."""

    text: str
    start: int
    end: int


def cues(segments: Iterable[Segment]) -> tuple[Cue, ...]:
    """Split segments into readable cues, in order of time and without overlaps."""
    groups = [group for segment in segments for group in _groups(list(_atoms(segment)))]
    timed: list[tuple[int, int, str]] = []
    earliest_start = 0
    for group in groups:
        start = max(group[0].start, earliest_start)
        end = max(min(group[-1].end, start + int(LONGEST_SECONDS * 1000)), start + 1)
        timed.append((start, end, "\n".join(_lines([atom.text for atom in group]))))
        earliest_start = end
    return tuple(
        Cue(start_seconds=start / 1000, end_seconds=_extended_end(start, end, following) / 1000, text=text)
        for (start, end, text), following in zip_longest(timed, timed[1:])
    )


def translated_segments(segments: Sequence[Segment], texts: Sequence[str]) -> tuple[Segment, ...]:
    """Replace the texts of segments. The new words have no times, so cues are split in proportion to text width."""
    return tuple(
        segment.model_copy(update={"text": text, "words": ()}) for segment, text in zip(segments, texts, strict=True)
    )


def translated_cues(originals: Sequence[Cue], texts: Sequence[str]) -> tuple[Cue, ...]:
    """Replace the texts of cues; a longer text may take more than two lines."""
    return tuple(
        cue.model_copy(update={"text": "\n".join(_wrapped(text))}) for cue, text in zip(originals, texts, strict=True)
    )


def to_srt(shown: Sequence[Cue]) -> str:
    """Format cues as SubRip: numbered, with a comma before the milliseconds."""
    blocks = (
        f"{number}\n{_clock(cue.start_seconds, ',')} --> {_clock(cue.end_seconds, ',')}\n{_srt_text(cue.text)}\n"
        for number, cue in enumerate(shown, start=1)
    )
    return "\n".join(blocks)


def to_vtt(shown: Sequence[Cue]) -> str:
    """Format cues as WebVTT: a full stop before the milliseconds; &, < and > are escaped."""
    blocks = (
        f"{_clock(cue.start_seconds, '.')} --> {_clock(cue.end_seconds, '.')}\n{_vtt_text(cue.text)}\n" for cue in shown
    )
    return "\n".join(["WEBVTT\n", *blocks])


def to_text(segments: Iterable[Segment]) -> str:
    """Return the text without times, one line per segment."""
    return "".join(f"{' '.join(segment.text.split())}\n" for segment in segments if segment.text.strip())


def columns(text: str) -> int:
    """Return the display width of a text: two columns per wide character, none per combining mark."""
    return sum(_width(character) for character in text)


def _groups(atoms: list[_Atom]) -> Iterator[list[_Atom]]:
    """Group the atoms of a segment into cues."""
    start = 0
    while start < len(atoms):
        end = start + 1
        while end < len(atoms) and _fits_into_cue(atoms, start, end):
            end += 1
        if end < len(atoms):
            end = _preferred_end(atoms, start, end)
        yield atoms[start:end]
        start = end


def _fits_into_cue(atoms: list[_Atom], start: int, end: int) -> bool:
    """Whether the cue that begins at atom `start` can include the atom at `end`."""
    is_in_time = atoms[end].end - atoms[start].start <= LONGEST_SECONDS * 1000
    is_at_once = atoms[end].start - atoms[end - 1].end < _PAUSE_MS
    return is_in_time and is_at_once and bool(_lines([atom.text for atom in atoms[start : end + 1]]))


def _preferred_end(atoms: list[_Atom], start: int, end: int) -> int:
    """Move the end of a cue back to a sentence end in its last two thirds, else to a clause end in its second half."""
    for marks, share in ((_SENTENCE_END, 1 / 3), (_CLAUSE_END, 1 / 2)):
        for cut in range(end, start + int((end - start) * share), -1):
            if atoms[cut - 1].text.endswith(marks):
                return cut
    return end


def _lines(texts: list[str]) -> list[str]:
    """Set texts in one line, or in two of nearly equal width; return no line if they need more than two."""
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
    """Wrap a text into as few lines as possible."""
    lines: list[str] = [""]
    pieces = [atom.text for atom in _split(text, 0, 0)]
    if balanced := _lines(pieces):
        return balanced
    for piece in pieces:
        if columns(lines[-1] + piece) > COLUMNS and lines[-1]:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return lines


def _atoms(segment: Segment) -> Iterator[_Atom]:
    """Split a segment into atoms, timed by its words; without words, in proportion to text width."""
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
    """Split a text at every possible line break, and a word that is wider than a line at the line's width.

    Times are interpolated by text width.
    """
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
    """Whether a line may break between two characters."""
    if after.isspace():
        return True
    is_wide = _width(after) == 2 or (before != "" and _width(before) == 2)
    return is_wide and _width(after) > 0 and after not in _NO_LINE_START and before not in "「『（【〔［｛〈《“‘("


def _extended_end(start: int, end: int, following: tuple[int, int, str] | None) -> int:
    wanted = max(end, start + _SHORTEST_MS)
    return min(wanted, following[0]) if following else wanted


def _visible(text: str) -> str:
    """Remove control characters, which break players; keep white space."""
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
    """Format as HH:MM:SS and milliseconds, with more digits for 100 hours and above."""
    rest, milliseconds = divmod(_ms(seconds), 1000)
    minutes, second = divmod(rest, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{point}{milliseconds:03}"
