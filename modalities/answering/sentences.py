"""Split a passage into sentences; lines that a layout has wrapped are joined, rows of tables and lists stay apart."""

import re

_END = re.compile(r"(?<=[.!?…])[\"”»)]?\s+(?=[\"“„«(]?[^\Wa-zà-öø-ÿ_])|(?<=[。！？])")
_CLOSED = re.compile(r"[.!?…:;。！？][\"”»)]?$")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:Dr|Mrs?|Ms|Prof|St|No|Nr|ca|bzw|vgl|etc|e\.g|i\.e|z\.B|d\.h|Hr|Fr|Art|Abs|\d{1,2})\.$"
)
_WRAPPED = 45
"""Characters of a line from which its end may be that of the column."""
_SHARE_OF_COLUMN = 0.6
_LONGEST = 600


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text, in order, each at most 600 characters long."""
    found: list[str] = []
    for line in _joined_lines(text):
        pieces: list[str] = []
        for piece in _END.split(line):
            if pieces and _ABBREVIATION.search(pieces[-1]):
                pieces[-1] = f"{pieces[-1]} {piece}"
            else:
                pieces.append(piece)
        found += [piece.strip()[:_LONGEST] for piece in pieces if any(sign.isalnum() for sign in piece)]
    return found


def _joined_lines(text: str) -> list[str]:
    """Join lines that end at the edge of a column and without a sign that closes a sentence."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    column = max(map(len, lines), default=0)
    joined: list[str] = []
    goes_on = False
    for line in lines:
        if goes_on and line and joined:
            joined[-1] = f"{joined[-1][:-1]}{line}" if _hyphenated(joined[-1], line) else f"{joined[-1]} {line}"
        elif line:
            joined.append(line)
        goes_on = bool(line) and len(line) >= max(_WRAPPED, _SHARE_OF_COLUMN * column) and not _CLOSED.search(line)
    return joined


def _hyphenated(line: str, following: str) -> bool:
    return line.endswith("-") and line[-2:-1].isalpha() and following[:1].islower()
