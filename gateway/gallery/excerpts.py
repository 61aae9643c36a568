"""Excerpts of search hits with the words of the query highlighted."""

import re

from markupsafe import Markup, escape

_CONTEXT_CHARACTERS = 60
_MAX_CHARACTERS = 320
_COMMON_WORDS = "a an and at by for from in into is it of on or the to with"
_STOP_WORDS = frozenset(_COMMON_WORDS.split())


def highlight(text: str, words: str) -> Markup:
    """Escape the text as HTML and enclose the words of the query in <mark>."""
    pattern = _pattern(words)
    if pattern is None:
        return escape(text)
    pieces = pattern.split(text)
    # The pattern has one group, so that every second piece is a match.
    return Markup("").join(
        Markup("<mark>{}</mark>").format(piece) if number % 2 else escape(piece) for number, piece in enumerate(pieces)
    )


def excerpt(text: str, words: str) -> Markup:
    """Cut out at most 320 characters around the first match, with all matches highlighted."""
    line = " ".join(text.split())
    pattern = _pattern(words)
    found = pattern.search(line) if pattern else None
    start = 0
    if found and found.start() > _MAX_CHARACTERS - _CONTEXT_CHARACTERS:
        start = line.rfind(" ", 0, found.start() - _CONTEXT_CHARACTERS) + 1 or found.start() - _CONTEXT_CHARACTERS
    shown = line[start : start + _MAX_CHARACTERS]
    before, after = ("… " if start else ""), (" …" if start + _MAX_CHARACTERS < len(line) else "")
    return Markup("{}{}{}").format(before, highlight(shown, words), after)


def _pattern(words: str) -> re.Pattern[str] | None:
    """Match whole words in scripts with spaces between words, and any occurrence in those without (CJK)."""
    words_given = [part for part in re.split(r"[^\w]+", words) if len(part) > 1 or part > "\u02ff"]
    parts = [part for part in words_given if part.lower() not in _STOP_WORDS]
    if not parts:
        return None
    ordered = sorted(dict.fromkeys(parts), key=len, reverse=True)
    alternatives = [re.escape(part) if part > "\u02ff" else rf"\b{re.escape(part)}\w{{0,2}}\b" for part in ordered]
    return re.compile(f"({'|'.join(alternatives)})", re.IGNORECASE)
