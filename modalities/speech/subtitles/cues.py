"""Split the segments of a transcript into subtitle cues that keep the rules of a style.

A segment is split at its word times, preferably after a sentence or a clause; cues that flash by are merged with their
neighbours; and cues are shown long enough to be read, as far as the next ones leave time.
"""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from modalities.speech.segments import Segment
from modalities.speech.subtitles.lines import Atom, line_columns, may_break, set_lines, split
from modalities.speech.subtitles.styles import NETFLIX, Style
from modalities.speech.subtitles.timing import Timed, timed

_PAUSE_MS = 1500
_SENTENCE_END = tuple(".!?…。！？")
_CLAUSE_END = tuple(",;:，、；：")


class Cue(BaseModel):
    """A subtitle with its start and end; its lines are separated by line feeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_seconds: float = Field(ge=0)
    end_seconds: float = Field(ge=0)
    text: str


def cues(segments: Iterable[Segment], style: Style = NETFLIX) -> tuple[Cue, ...]:
    """Split segments into cues, in order of time and without overlaps."""
    groups = [group for segment in segments for group in _groups(segment, style)]
    merged = _merged(groups, style)
    found = [Timed(group[0].start, group[-1].end, "".join(atom.text for atom in group).strip()) for group in merged]
    return tuple(
        Cue(start_seconds=start / 1000, end_seconds=end / 1000, text="\n".join(_lines(group, style)))
        for (start, end), group in zip(timed(found, style), merged, strict=True)
    )


def translated_segments(segments: Sequence[Segment], texts: Sequence[str]) -> tuple[Segment, ...]:
    """Replace the texts of segments. The new words have no times, so cues are split in proportion to text width."""
    return tuple(
        segment.model_copy(update={"text": text, "words": ()}) for segment, text in zip(segments, texts, strict=True)
    )


def _groups(segment: Segment, style: Style) -> Iterator[list[Atom]]:
    """Group the atoms of a segment into cues."""
    limit = line_columns(segment.text, style)
    atoms = list(_atoms(segment, limit))
    start = 0
    while start < len(atoms):
        end = start + 1
        while end < len(atoms) and _fits_into_cue(atoms, start, end, limit, style):
            end += 1
        if end < len(atoms):
            end = _preferred_end(atoms, start, end)
        yield atoms[start:end]
        start = end


def _fits_into_cue(atoms: list[Atom], start: int, end: int, limit: int, style: Style) -> bool:
    """Whether the cue that begins at atom `start` can include the atom at `end`."""
    is_in_time = atoms[end].end - atoms[start].start <= style.longest_seconds * 1000
    is_at_once = atoms[end].start - atoms[end - 1].end < _PAUSE_MS
    return is_in_time and is_at_once and bool(set_lines([atom.text for atom in atoms[start : end + 1]], limit))


def _preferred_end(atoms: list[Atom], start: int, end: int) -> int:
    """Move the end of a cue back to a sentence end in its last two thirds, else to a clause end in its second half."""
    for marks, share in ((_SENTENCE_END, 1 / 3), (_CLAUSE_END, 1 / 2)):
        for cut in range(end, start + int((end - start) * share), -1):
            if atoms[cut - 1].text.endswith(marks):
                return cut
    return end


def _merged(groups: Sequence[list[Atom]], style: Style) -> list[list[Atom]]:
    """Merge cues that would be shown for less than the shortest time with the next one, or else the one before."""
    found: list[list[Atom]] = []
    waiting = list(groups)
    while waiting:
        group = waiting.pop(0)
        following = waiting[0] if waiting else None
        if _flashes(group, following, style):
            if following and (both := _joined(group, following, style)):
                waiting[0] = both
                continue
            if found and (both := _joined(found[-1], group, style)):
                found[-1] = both
                continue
        found.append(group)
    return found


def _flashes(group: list[Atom], following: list[Atom] | None, style: Style) -> bool:
    """Whether the next cue begins before this one has been shown for the shortest time."""
    shortest = (style.shortest_seconds + style.gap_seconds) * 1000
    return following is not None and following[0].start - group[0].start < shortest


def _joined(first: list[Atom], second: list[Atom], style: Style) -> list[Atom] | None:
    """Return two cues as one if there is no pause between them and the rules allow it."""
    head = second[0].text
    blank = "" if head[:1].isspace() or may_break(first[-1].text[-1:], head[:1]) else " "
    both = [*first, Atom(blank + head, second[0].start, second[0].end), *second[1:]]
    is_short = both[-1].end - both[0].start <= style.longest_seconds * 1000
    is_at_once = second[0].start - first[-1].end < _PAUSE_MS
    return both if is_short and is_at_once and _lines(both, style) else None


def _lines(group: list[Atom], style: Style) -> list[str]:
    texts = [atom.text for atom in group]
    return set_lines(texts, line_columns("".join(texts), style))


def _atoms(segment: Segment, limit: int) -> Iterator[Atom]:
    """Split a segment into atoms, timed by its words; without words, in proportion to text width."""
    if not segment.words:
        yield from split(segment.text, _ms(segment.start_seconds), _ms(segment.end_seconds), limit)
        return
    joined: list[Atom] = []
    for word in segment.words:
        start, end = _ms(word.start_seconds), _ms(word.end_seconds)
        last = joined[-1] if joined else None
        if last and word.text and not may_break(last.text[-1:], word.text[0]):
            joined[-1] = Atom(last.text + word.text, last.start, max(last.end, end))
        elif word.text:
            joined.append(Atom(word.text, start, end))
    for atom in joined:
        yield from split(atom.text, atom.start, atom.end, limit)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
