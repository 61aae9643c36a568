"""Join subtitle cues that a sentence runs over, and share the translation of the sentence out over them again."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_SENTENCE_END = re.compile(r"[.!?…。！？♪][\"'”’»)\]」』]*$")
_NEW_SPEAKER = re.compile(r"^\s*(?:[-–—]\s?\S|\[|\(|♪|>>)")
_LONGEST_PAUSE_SECONDS = 1.5
_MOST_CUES, _MOST_CHARACTERS = 8, 400
_WIDE = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]")
_CLAUSE_END = tuple(",;:，、；：")
_STOPS = tuple(".!?…。！？")
_NOT_FIRST = frozenset("，。、；：！？）」』】》%…")
_CLAUSE_BONUS, _STOP_BONUS = 0.5, 1.0
"""How many parts of an average cue a cut may be off to be after a clause, or after a sentence."""


@dataclass(frozen=True)
class TimedText:
    """The text of a cue, without line breaks, and its times."""

    text: str
    start_seconds: float
    end_seconds: float


def sentence_groups(cues: Sequence[TimedText]) -> list[list[int]]:
    """Group the numbers of consecutive cues so that no sentence runs over two groups.

    A pause, another speaker and a blank cue end a sentence, too.
    """
    groups: list[list[int]] = []
    for number, cue in enumerate(cues):
        if groups and _goes_on(cues, groups[-1], cue):
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def joined_text(texts: Sequence[str]) -> str:
    """Join the texts of a group, with spaces except between Chinese or Japanese characters."""
    joined = ""
    for text in (" ".join(text.split()) for text in texts):
        joined += space_between(joined, text) + text
    return joined.strip()


def space_between(before: str, after: str) -> str:
    """Return what is between two texts that are joined: nothing between Chinese or Japanese characters."""
    is_wide = bool(before and after and _WIDE.match(before[-1]) and _WIDE.match(after[0]))
    return "" if not before or is_wide else " "


def share_out(text: str, weights: Sequence[float]) -> list[str]:
    """Split a text into as many parts as there are weights, about in their proportion, preferably after clauses.

    With fewer words than weights, the last word is repeated: it stays on the screen.
    """
    pieces = _pieces(text)
    total, widths = sum(weights) or 1.0, [_width(piece) for piece in pieces]
    all_width = sum(widths) or 1
    parts: list[str] = []
    start, shared = 0, 0.0
    for number, weight in enumerate(weights):
        shared += weight / total
        left = len(weights) - number - 1
        end = (
            len(pieces)
            if left == 0
            else _cut(pieces, widths, start, shared * all_width, left, all_width / len(weights))
        )
        part = "".join(pieces[start:end]).strip()
        parts.append(part or (parts[-1] if parts else text))
        start = end
    return parts


def _goes_on(cues: Sequence[TimedText], group: list[int], cue: TimedText) -> bool:
    """Whether the sentence of a group goes on in the next cue."""
    last = cues[group[-1]]
    if not last.text.strip() or not cue.text.strip() or _NEW_SPEAKER.match(cue.text):
        return False
    if cue.start_seconds - last.end_seconds > _LONGEST_PAUSE_SECONDS or len(group) >= _MOST_CUES:
        return False
    if sum(len(cues[number].text) for number in group) + len(cue.text) > _MOST_CHARACTERS:
        return False
    return _SENTENCE_END.search(last.text.strip()) is None


def _pieces(text: str) -> list[str]:
    """Split a text where a part may end: after spaces, and between Chinese or Japanese characters."""
    pieces: list[str] = []
    for word in re.findall(r"\S+\s*", text):
        begun = ""
        for character in word:
            may_break = begun and _WIDE.match(character) and character not in _NOT_FIRST
            if may_break or (begun and _WIDE.match(begun[-1]) and character.isalnum()):
                pieces.append(begun)
                begun = ""
            begun += character
        pieces.append(begun)
    return pieces


def _cut(pieces: Sequence[str], widths: Sequence[int], start: int, wanted: float, left: int, average: float) -> int:
    """Return where a part that begins at `start` ends: near `wanted` columns, with a piece at least for each other."""
    latest = max(len(pieces) - left, start)
    best, least = min(start + 1, latest), float("inf")
    width = float(sum(widths[: start + 1]))
    for end in range(start + 1, latest + 1):
        stripped = pieces[end - 1].rstrip()
        bonus = _STOP_BONUS if stripped.endswith(_STOPS) else _CLAUSE_BONUS if stripped.endswith(_CLAUSE_END) else 0.0
        cost = abs(width - wanted) - bonus * average
        if cost < least:
            best, least = end, cost
        width += widths[end] if end < len(widths) else 0
    return best


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
