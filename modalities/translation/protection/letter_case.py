"""Capitals: translate a text in capitals or in title case as a sentence, and put the capitals back."""

import re
from typing import Literal

Case = Literal["as-is", "capitals", "title"]
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SMALL = frozenset(
    """a an and as at but by for from in into nor of on or out over per the to up via vs with""".split()  # noqa: SIM905
)
_NOUNS_ARE_CAPITALIZED = frozenset({"de", "lb"})
_FEWEST_CAPITALS = 4
_FEWEST_TITLE_WORDS = 2


def letter_case(text: str, language: str) -> Case:
    """Tell how a text without its protected spans is capitalized."""
    words: list[str] = _WORD.findall(text)
    letters = [c for word in words for c in word if c.isupper() or c.islower()]
    if letters and all(c.isupper() for c in letters):
        has_long_word = any(len(word) >= _FEWEST_CAPITALS for word in words) or len(words) > 1
        return "capitals" if len(letters) >= _FEWEST_CAPITALS and has_long_word else "as-is"
    long = [word for word in words if word.lower() not in _SMALL]
    is_title = len(long) >= _FEWEST_TITLE_WORDS and all(word[0].isupper() for word in long)
    is_label = not text.rstrip().endswith((".", "!", "?", "。"))
    return "title" if is_title and is_label and language.split("-")[0] not in _NOUNS_ARE_CAPITALIZED else "as-is"


def as_sentence(text: str, language: str) -> str:
    """Return the text in sentence case, with as many characters."""
    lowered = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    if language.split("-")[0] == "en":
        lowered = re.sub(r"\bi\b", "I", lowered)
    first = _WORD.search(lowered)
    return lowered if first is None else capitalized(lowered, first.start())


def with_case(text: str, case: Case, target: str) -> str:
    """Put the capitals back: all of them, or those of titles where the target language writes titles so."""
    if case == "capitals":
        return "".join(c.upper() if len(c.upper()) == 1 else c for c in text)
    if case == "title" and target.split("-")[0] == "en":
        return _WORD.sub(lambda m: m[0] if m[0] in _SMALL and m.start() else m[0][0].upper() + m[0][1:], text)
    return text


def capitalized(text: str, at: int = 0) -> str:
    """Return the text with a capital at an offset."""
    upper = text[at : at + 1].upper()
    return text[:at] + upper + text[at + 1 :] if len(upper) == 1 else text
