"""Check an answer of a model: say what in it may be wrong."""

import re
from collections.abc import Iterator, Sequence

from modalities.translation.protection.dates import has_month_of, missing_days
from modalities.translation.protection.number_words import is_worth, missing_number_words
from modalities.translation.protection.numbers import missing_numbers
from modalities.translation.protection.spans import Protected

LOST_NUMBER = "Numbers are missing"
LOST_WORD = "Numbers in words are missing"
LOST_NAME = "Names are missing"
LOST_DAY = "Days or months are missing"
INVENTED = "It has words that the text does not have"
CONTENT_DOUBTS = (LOST_NUMBER, LOST_NAME, LOST_WORD, LOST_DAY, INVENTED)
"""The beginnings of the doubts about what an answer says."""
_REPEATED = re.compile(r"\b(\w+)(?:\W+\1\b){2,}")
_FEW_WORDS = 6
_LONG_WORD = re.compile(r"[^\W\d_]{4,}")
_NAME_BEGINS = 4
"""Letters by which a name is known again: Portuguese is Portugiesisch."""
_FEWEST_COPIED_WORDS = 4


def content_doubts(
    source: str,
    numbers: str,
    words: str,
    answer: str,
    languages: tuple[str, str],
    *,
    names: Sequence[tuple[Sequence[str], Sequence[str]]] = (),
    written: Sequence[Protected] = (),
) -> Iterator[str]:
    """Say what an answer lacks or has in addition: these are reasons to ask again. `languages` are BCP 47 tags.

    `numbers` is the source without the digits that need not be looked for, and `words` the source without spans that
    are no numbers in digits. `names` are words that stand for others or that the model puts in by itself: their forms
    in both languages. `written` are the amounts and dates in words, and unusual names, that were left to the model.
    """
    missing = missing_numbers(numbers, answer, languages[1])
    lost = [span for span in written if not _is_there(span, answer, languages[1])]
    missing += [source[span.start : span.end] for span in lost if span.kind != "name"]
    if missing:
        yield f"{LOST_NUMBER}: {', '.join(missing)}."
    if lost_names := [span.copy for span in lost if span.kind == "name"]:
        yield f"{LOST_NAME}: {', '.join(lost_names)}."
    if lacking := missing_number_words(words, answer, languages):
        yield f"{LOST_WORD}: {', '.join(lacking)}."
    if days := missing_days(words, answer, languages):
        yield f"{LOST_DAY}: {', '.join(days)}."
    absent = [said for given, said in names if not any(has_word(source, each) for each in (*given, *said))]
    if invented := [form for forms in absent for form in forms if has_word(answer, form)]:
        yield f"{INVENTED}: {', '.join(invented)}."


def form_doubts(source: str, words: str, answer: str, count: int, *, is_complete: bool) -> Iterator[str]:
    """Say what is odd about an answer without copies; `words` is the source without them, `count` its words."""
    if not is_complete or len(answer) > 4 * len(source) + 40:
        yield "The answer runs on."
    says_twice = count <= _FEW_WORDS and _repeats(answer) and not _repeats(words)
    if says_twice or any(word[1].lower() not in words.lower() for word in _REPEATED.finditer(answer)):
        yield "The answer repeats itself."
    if count >= _FEWEST_COPIED_WORDS and answer.lower().split() == words.lower().split():
        yield "The answer is a copy."


def without_copies(answer: str, spans: Sequence[Protected]) -> str:
    """Return an answer without the copies of spans in it: what is in them is not what the rest of a text became."""
    for span in sorted(spans, key=lambda span: -len(span.copy)):
        answer = answer.replace(span.copy, " ", 1)
    return answer


def _is_there(span: Protected, answer: str, target: str) -> bool:
    """Whether an amount, the month of a date, or the beginning of a name is in an answer."""
    if span.kind == "name":
        return re.search(rf"(?<![^\W_]){re.escape(span.copy[:_NAME_BEGINS])}", answer, re.IGNORECASE) is not None
    if span.kind == "date":
        return has_month_of(span.copy, answer, target)
    return "".join(span.copy.split()).lower() in "".join(answer.split()).lower() or is_worth(span.copy, answer)


def _repeats(text: str) -> bool:
    """Whether a word of at least four letters is there twice."""
    words = _LONG_WORD.findall(text.lower())
    return len(set(words)) < len(words)


def has_word(text: str, word: str) -> bool:
    """Whether a word is in a text, perhaps as a possessive; capitals do not count."""
    pattern = rf"(?<![^\W_]){re.escape(word)}(?:['’]?s)?(?![^\W_])" if word.isascii() else re.escape(word)
    return re.search(pattern, text, re.IGNORECASE) is not None
