"""How much a sentence of a passage looks like the answer to a question: features, and the probability that they give.

The weights were fitted by `python -m benchmarks.asking --fit` on one half of its documents.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from modalities.answering.questions import Question, answer_pattern, common_words, language_of, number_pattern
from storage.index.lexemes import folded, stem, tokens

_CAPITALS = r"[A-ZÀ-ÖØ-ÞА-Я][\w'’-]+"
_TITLED = re.compile(rf"\b(?:Mrs?|Ms|Dr|Doctor|Professor|Prof|Frau|Herrn?|Madame|Monsieur|Señora?)\.? {_CAPITALS}")
_FULL_NAME = re.compile(rf"\b{_CAPITALS} {_CAPITALS}")
_FIRST_NAME = re.compile(rf"(?<=[a-z,;] ){_CAPITALS}")
_FIRST_NAME_CERTAINTY = 0.6
_NUMBER_CERTAINTY = 0.3
"""How far a number suits that stands beside none of the things that are counted."""
_NEAR = 3
"""Tokens between a number and what it counts."""
_SHORTEST_PREFIX, _SHARE_OF_PREFIX, _SHORTEST_INSIDE = 4, 0.55, 5
_UNKNOWN_LOGIT, _LIMIT = -2.0, 8.0
"""The logit of a part without a vector for texts, such as a picture; and the largest that counts."""
_AT_MOST_WITHOUT_KIND = 0.15
"""However near a sentence is: without an amount it does not answer how much."""
_NOT_TYPED = frozenset({"thing", "statement", "reason"})
"""Kinds whose answers look like any text."""


@dataclass(frozen=True)
class Candidate:
    """A sentence of a passage that may be the answer; `passage` is all that was found around it, `name` the file's.

    `logit` tells how near the passage is to the question, `gap` how much nearer the nearest passage is, and
    `sentence_logit` how near the sentence is; None where that is not known.
    """

    sentence: str
    passage: str
    name: str
    logit: float | None
    gap: float = 0.0
    sentence_logit: float | None = None


NAMES = (
    *("constant", "foreign", "passage", "words in sentence", "words missing", "all words", "has kind", "lacks kind"),
    *("sentence", "sentence, foreign", "first word", "words in passage, foreign", "gap"),
)
_WEIGHTS = (-1.29, -0.41, -0.38, 0.04, -0.58, 0.27, 1.55, -3.23, 2.32, 1.04, 0.79, 0.89, -1.67)
_WEIGHTS_WITHOUT_SENTENCE = (-2.99, 0.6, 0.67, 2.81, -0.36, -0.45, 1.37, -3.68, 0.0, 0.0, 1.53, 0.93, -1.49)


def probability(question: Question, candidate: Candidate) -> float:
    """Return the probability that a sentence answers the question."""
    weights = _WEIGHTS_WITHOUT_SENTENCE if candidate.sentence_logit is None else _WEIGHTS
    logit = sum(weight * value for weight, value in zip(weights, features(question, candidate), strict=True))
    found = 1 / (1 + math.exp(-max(min(logit, 50.0), -50.0)))
    lacks_kind = question.kind not in _NOT_TYPED and not suits_kind(question, candidate.sentence)
    return min(found, _AT_MOST_WITHOUT_KIND) if lacks_kind else found


def features(question: Question, candidate: Candidate) -> list[float]:
    """Return the features of a candidate, in the order of `NAMES`."""
    words = question.all_words
    inside = coverage(question.words or words, candidate.sentence)
    around = coverage(words, f"{candidate.name} {candidate.passage}")
    foreign = float(is_foreign(question, candidate.passage))
    kind = suits_kind(question, candidate.sentence)
    typed = float(question.kind not in _NOT_TYPED)
    nearness = _scaled(candidate.sentence_logit or 0.0)
    return [
        1.0,
        foreign,
        _scaled(_UNKNOWN_LOGIT if candidate.logit is None else candidate.logit),
        _share(inside) * (1 - foreign),
        (len(words) - sum(around)) * (1 - foreign),
        float(bool(words) and all(around)) * (1 - foreign),
        kind * typed,
        (1 - kind) * typed,
        nearness * (1 - foreign),
        nearness * foreign,
        float(bool(inside) and inside[0]) * (1 - foreign),
        _share(around) * foreign,
        _scaled(candidate.gap),
    ]


def coverage(words: Sequence[str], text: str) -> list[bool]:
    """Tell for each word whether a text has it, with another ending or as part of a compound, too."""
    found = frozenset(tokens(text))
    return [any(alike(word, token) for token in found) for word in words]


def alike(one: str, other: str) -> bool:
    """Whether two folded tokens are forms of one word, or one is part of the other."""
    if one == other or stem(one) == stem(other):
        return True
    if one.isdigit() or other.isdigit():
        return False
    short, long = sorted((one, other), key=len)
    if len(short) >= _SHORTEST_INSIDE and short in long:
        return True
    shared = next((n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return shared >= max(_SHORTEST_PREFIX, _SHARE_OF_PREFIX * len(long))


def suits_kind(question: Question, text: str) -> float:
    """Tell whether a text has an answer of the kind that is asked for: 1, 0, or something between where it is vague."""
    if question.kind == "person":
        return _person(question, text)
    if question.kind == "extent":
        return max(_has("length", text), _has("duration", text))
    if question.kind == "number":
        return _counted(question, text)
    return _has(question.kind, text)


def is_foreign(question: Question, text: str) -> bool:
    """Whether a text is in another language than the question."""
    return language_of(text) != question.language


def _scaled(logit: float) -> float:
    return max(min(logit, _LIMIT), -_LIMIT) / 4


def _share(found: Sequence[bool]) -> float:
    return sum(found) / max(len(found), 1)


def _has(kind: str, text: str) -> float:
    pattern = answer_pattern(kind)
    return float(pattern is None or bool(pattern.search(folded(text))))


def _person(question: Question, text: str) -> float:
    """Whether a text names a person whom the question does not name; a first name alone tells less."""
    if any(_is_new(question, found[0]) for found in (*_TITLED.finditer(text), *_FULL_NAME.finditer(text))):
        return 1.0
    if language_of(text) == "de":  # every noun has a capital
        return 0.0
    return _FIRST_NAME_CERTAINTY * any(_is_new(question, found[0]) for found in _FIRST_NAME.finditer(text))


def _is_new(question: Question, name: str) -> bool:
    """Whether words with capitals are a name that the question does not have: no article and noun."""
    words = tokens(name)
    return not common_words().intersection(words) and not any(coverage(words, question.whole))


def _counted(question: Question, text: str) -> float:
    """Whether a number stands beside a word of the question; in another language, whether there is a number."""
    words = tokens(text)
    numbers = [n for n, word in enumerate(words) if number_pattern().fullmatch(word)]
    if not numbers or is_foreign(question, text):
        return float(bool(numbers))
    asked = [n for n, word in enumerate(words) if any(alike(word, one) for one in question.all_words[:2])]
    return 1.0 if any(abs(n - m) <= _NEAR for n in numbers for m in asked) else _NUMBER_CERTAINTY
