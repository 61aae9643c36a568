"""Check an answer of a model: say what in it may be wrong."""

import re
from collections.abc import Iterator, Sequence

from modalities.translation.protection.numbers import missing_numbers

LOST_NUMBER = "Numbers are missing"
INVENTED = "It has words that the text does not have"
_REPEATED = re.compile(r"\b(\w+)(?:\W+\1\b){2,}")
_FEWEST_COPIED_WORDS = 4


def content_doubts(
    source: str, numbers: str, answer: str, target: str, names: Sequence[tuple[Sequence[str], Sequence[str]]]
) -> Iterator[str]:
    """Say what an answer lacks or has in addition: these are reasons to ask again.

    `numbers` is the source without the digits that need not be looked for, `target` a BCP 47 tag. `names` are words
    that stand for others or that the model puts in by itself: their forms in both languages.
    """
    if missing := missing_numbers(numbers, answer, target):
        yield f"{LOST_NUMBER}: {', '.join(missing)}."
    absent = [said for given, said in names if not any(has_word(source, each) for each in (*given, *said))]
    if invented := [form for forms in absent for form in forms if has_word(answer, form)]:
        yield f"{INVENTED}: {', '.join(invented)}."


def form_doubts(source: str, words: str, answer: str, count: int, *, is_complete: bool) -> Iterator[str]:
    """Say what is odd about an answer; `words` is the source without what is copied, and `count` their number."""
    if not is_complete or len(answer) > 4 * len(source) + 40:
        yield "The answer runs on."
    if any(word[1].lower() not in words.lower() for word in _REPEATED.finditer(answer)):
        yield "The answer repeats itself."
    if count >= _FEWEST_COPIED_WORDS and answer.strip().lower() == source.strip().lower():
        yield "The answer is a copy."


def has_word(text: str, word: str) -> bool:
    """Whether a word is in a text, perhaps as a possessive; capitals do not count."""
    pattern = rf"(?<![^\W_]){re.escape(word)}(?:['’]?s)?(?![^\W_])" if word.isascii() else re.escape(word)
    return re.search(pattern, text, re.IGNORECASE) is not None
