"""Excerpts: the part of a text in which the words stand that somebody looks for, and those words marked."""

import re

from markupsafe import Markup, escape

_AROUND = 60
_LENGTH = 320
_COMMON = "a an and at by for from in into is it of on or the to with"
_SMALL = frozenset(_COMMON.split())
"""Words that stand everywhere."""


def marked(text: str, words: str) -> Markup:
    """The text as HTML, with the words in <mark>."""
    pattern = _pattern(words)
    if pattern is None:
        return escape(text)
    pieces = pattern.split(text)
    # The pattern has one group: every second piece is a word that was found.
    return Markup("").join(
        Markup("<mark>{}</mark>").format(piece) if number % 2 else escape(piece) for number, piece in enumerate(pieces)
    )


def excerpt(text: str, words: str) -> Markup:
    """At most 320 characters around the first of the words, with all of them marked."""
    line = " ".join(text.split())
    pattern = _pattern(words)
    found = pattern.search(line) if pattern else None
    start = 0
    if found and found.start() > _LENGTH - _AROUND:
        start = line.rfind(" ", 0, found.start() - _AROUND) + 1 or found.start() - _AROUND
    shown = line[start : start + _LENGTH]
    before, after = ("… " if start else ""), (" …" if start + _LENGTH < len(line) else "")
    return Markup("{}{}{}").format(before, marked(shown, words), after)


def _pattern(words: str) -> re.Pattern[str] | None:
    """Finds the words: whole ones where words have spaces between them, and any place where they have none."""
    said = [part for part in re.split(r"[^\w]+", words) if len(part) > 1 or part > "\u02ff"]
    parts = [part for part in said if part.lower() not in _SMALL]
    if not parts:
        return None
    ordered = sorted(dict.fromkeys(parts), key=len, reverse=True)
    alternatives = [re.escape(part) if part > "\u02ff" else rf"\b{re.escape(part)}\w{{0,2}}\b" for part in ordered]
    return re.compile(f"({'|'.join(alternatives)})", re.IGNORECASE)
