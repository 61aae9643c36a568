"""Find the words of a translation that belong to words of the original, by the attention of the decoder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Range = tuple[int, int]
"""The start and end of some characters of a text."""

_SPACE_MARK = "▁"
_FEWEST_SHARES = 0.5
"""A word belongs to a range of the original if this share of its attention is there."""


def token_ranges(text: str, tokens: Sequence[str]) -> list[Range]:
    """Return where each token is in a text; a token that the text does not show is empty."""
    ranges: list[Range] = []
    at = 0
    for token in tokens:
        piece = token.replace(_SPACE_MARK, " ").strip()
        start = at
        while start < len(text) and text[start].isspace():
            start += 1
        found = text.find(piece, start, start + len(piece) + 3) if piece else -1
        if not piece or (found < 0 and piece.startswith(("<", ">>"))):
            ranges.append((start, start))
            continue
        start = found if found >= 0 else start
        at = min(start + len(piece), len(text))
        ranges.append((start, at))
    return ranges


def aligned_range(
    wanted: Range, sources: Sequence[Range], targets: Sequence[Range], attention: Sequence[Sequence[float]], text: str
) -> Range | None:
    """Return the words of the answer `text` that belong to the range `wanted` of the original.

    If attention is spread so that no word does, it is the word that has the most of it there; None if none has any.
    `attention` has a row per token of the answer with a weight per token of the original.
    """
    inside = [max(start, wanted[0]) < min(end, wanted[1]) for start, end in sources]
    if not any(inside):
        return None
    gains: list[float] = []
    words = list(_words(targets, text))
    has_letters = [any(map(str.isalnum, text[targets[word[0]][0] : targets[word[-1]][1]])) for word in words]
    for word in words:
        rows = [attention[number] for number in word]
        seen = sum(weight for row in rows for weight, has_text in zip(row, sources, strict=False) if _is_wide(has_text))
        there = sum(weight for row in rows for weight, is_in in zip(row, inside, strict=False) if is_in)
        gains.append(there / seen - _FEWEST_SHARES if seen else -_FEWEST_SHARES)
    best = _best_run(gains) or _largest(
        [gain if shown else -1.0 for gain, shown in zip(gains, has_letters, strict=True)]
    )
    if best is None:
        return None
    chosen = [targets[number] for word in words[best[0] : best[1]] for number in word]
    return _without_punctuation((min(s for s, _ in chosen), max(e for _, e in chosen)), text)


def nested(marks: Sequence[Range], found: Sequence[Range]) -> list[Range]:
    """Make ranges of an answer nest as those of the original do: outer ones grow, later neighbours give way."""
    result = list(found)
    order = sorted(range(len(marks)), key=lambda n: (marks[n][0], -marks[n][1], n))
    for position in reversed(range(len(order))):
        outer = order[position]
        for inner in order[position + 1 :]:
            if marks[inner][1] <= marks[outer][1] and marks[inner][0] < marks[outer][1]:
                result[outer] = (
                    min(result[outer][0], result[inner][0]),
                    max(result[outer][1], result[inner][1]),
                )
    placed: list[int] = []
    for number in order:
        start, end = result[number]
        for earlier in placed:
            begun, ended = result[earlier]
            is_inside = marks[number][1] <= marks[earlier][1] and marks[number][0] < marks[earlier][1]
            if is_inside or end <= begun or start >= ended:
                continue
            start, end = (ended, max(end, ended)) if end > ended else (start, min(end, begun))
            end = max(start, end)
        result[number] = (start, end)
        placed.append(number)
    return result


@dataclass(frozen=True)
class Piece:
    """A part of a text from `start` to `end`, its translation, and where the marks of the text are in that."""

    start: int
    end: int
    text: str
    marks: tuple[Range | None, ...] = ()


def with_spaces(pieces: Sequence[Piece]) -> list[Piece]:
    """Put a space between pieces of which one ends and the next begins with a letter or a digit."""
    spaced: list[Piece] = []
    for piece in pieces:
        if spaced and spaced[-1].text[-1:].isalnum() and piece.text[:1].isalnum():
            spaced.append(Piece(piece.start, piece.start, " "))
        spaced.append(piece)
    return spaced


def joined(marks: Sequence[Range], pieces: Sequence[Piece]) -> tuple[str, tuple[Range | None, ...]]:
    """Join the translations of the pieces of a text, which follow one another, and what the marks became in them."""
    text = ""
    found: list[list[Range]] = [[] for _ in marks]
    for piece in pieces:
        for number, mark in enumerate(piece.marks):
            start, end = marks[number]
            is_last = piece is pieces[-1] and start == end == piece.end
            meets = max(start, piece.start) < min(end, piece.end) or piece.start <= start == end < piece.end or is_last
            if mark is not None and meets:
                found[number].append((mark[0] + len(text), mark[1] + len(text)))
        text += piece.text
    return text, tuple((min(s for s, _ in each), max(e for _, e in each)) if each else None for each in found)


def _is_wide(span: Range) -> bool:
    return span[1] > span[0]


def _words(targets: Sequence[Range], text: str) -> Iterator[list[int]]:
    """Group tokens that no space separates and that are of letters; each other token is a word of its own."""
    group: list[int] = []
    for number, (start, end) in enumerate(targets):
        if start == end:
            continue
        before = targets[group[-1]][1] if group else -1
        joins = (
            group and before == start and text[start].isalpha() and text[start] < "\u2e80" and text[start - 1].isalpha()
        )
        if group and not joins:
            yield group
            group = []
        group.append(number)
    if group:
        yield group


def _best_run(gains: Sequence[float]) -> Range | None:
    """Return the run of elements with the largest sum; None if no sum is positive."""
    best: Range | None = None
    most = total = 0.0
    start = 0
    for number, gain in enumerate(gains):
        if total <= 0:
            total, start = 0.0, number
        total += gain
        if total > most:
            most, best = total, (start, number + 1)
    return best


def _largest(gains: Sequence[float]) -> Range | None:
    """Return the run of the element that gains most; None if none gets any attention."""
    most = max(range(len(gains)), key=gains.__getitem__, default=None)
    return None if most is None or gains[most] <= -_FEWEST_SHARES else (most, most + 1)


def _without_punctuation(found: Range, text: str) -> Range:
    start, end = found
    while end > start + 1 and not text[end - 1].isalnum():
        end -= 1
    while start < end - 1 and not text[start].isalnum():
        start += 1
    return start, end
