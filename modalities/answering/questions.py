"""What a question asks for: its language, the kind of answer, and the words that it is about."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from storage.index.lexemes import folded, tokens

_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
)
"""Languages that their letters tell, the first that has some."""
_MEANT_BY_KIND = {
    "money": "cost price fare fee fine pay expensive charge money much preis kosten teuer gebuhr prix coute tarif",
    "person": "person people responsible charge",
    "clock": "time uhr heure hora",
    "date": "day year month date time jahr tag monat jour annee dia ano",
    "duration": "time zeit temps tiempo",
    "length": "deep tall high wide far thick tief hoch breit weit",
    "extent": "lang",
    "weight": "heavy weigh schwer",
    "speed": "fast schnell",
    "loudness": "loud laut decibel",
    "warmth": "warm hot cold kalt heiss temperature temperatur",
    "area": "big large gross",
}
"""Words that are answered by an amount, and need not occur in the answer."""
_NO_KIND = "statement"


@dataclass(frozen=True)
class Question:
    """A question. `kind` is what it asks for, such as `money` or `person`; `words` are the tokens that it is about.

    `before` is the text of the question that it goes on with, empty if there is none, and `subject` the words of that.
    """

    text: str
    language: str
    kind: str
    words: tuple[str, ...]
    before: str = ""
    subject: tuple[str, ...] = ()

    @property
    def whole(self) -> str:
        """The text with that of the question before."""
        return f"{self.before} {self.text}".strip()

    @property
    def all_words(self) -> tuple[str, ...]:
        """The words with those of the question before."""
        return tuple(dict.fromkeys((*self.words, *self.subject)))


def read_question(text: str) -> Question:
    """Tell the language, the kind of answer and the subject of a question."""
    plain = folded(text)
    kind = next((kind for kind, pattern in _kinds() if pattern.search(plain)), _NO_KIND)
    common = common_words()
    meant = frozenset(_MEANT_BY_KIND.get(kind, "").split())
    found = [token for token in tokens(text) if token not in common and token not in meant and _telling(token)]
    return Question(text, language_of(text), kind, tuple(dict.fromkeys(found)))


def language_of(text: str) -> str:
    """Return the language of a sentence by its script and its common words; English if nothing tells."""
    for language, script in _SCRIPTS:
        if script.search(text):
            return language
    words = tokens(text)
    counted = {code: sum(word in common for word in words) for code, common in _common_by_language().items()}
    return max(counted, key=lambda code: (counted[code], code == "en"))


def in_conversation(text: str, earlier: Sequence[str]) -> Question:
    """Read a question; one that goes on with the questions before it is about their subject, too."""
    question = read_question(text)
    if not earlier or not _goes_on(question):
        return question
    before = in_conversation(earlier[-1], earlier[:-1])
    language = question.language if question.words else before.language
    return replace(question, language=language, before=before.whole, subject=before.all_words)


def unknown_sentence(language: str, count: int) -> str:
    """Say that none of so many files answers, in a language; in English for one that is not there."""
    sentences: dict[str, str] = _document()["unknown"]
    return sentences.get(language, sentences["en"]).format(count=f"{count:,}")


def handed_over_sentence(language: str) -> str:
    """Say that a person will answer, in a language; in English for one that is not there."""
    sentences: dict[str, str] = _document()["handed_over"]
    return sentences.get(language, sentences["en"])


def answer_pattern(kind: str) -> re.Pattern[str] | None:
    """Return the pattern of answers of a kind in a folded text; None for kinds whose answers look like any text."""
    return _answers().get(kind)


def number_pattern() -> re.Pattern[str]:
    """Return the pattern of a number in a folded text, in digits or words."""
    return _numbers()


@cache
def common_words() -> frozenset[str]:
    """Return the words, of all languages, that say nothing about the subject of a question."""
    return frozenset().union(*_common_by_language().values())


def _goes_on(question: Question) -> bool:
    """Whether a question is understood only with the one before it."""
    plain = folded(question.text)
    beginning, anywhere = _document()["goes_on"]
    return not question.words or bool(re.search(beginning, plain) or re.search(anywhere, plain))


def _telling(token: str) -> bool:
    return len(token) > 1 or not token.isascii() or token.isdigit()


@cache
def _document() -> dict[str, Any]:
    return yaml.safe_load((files("modalities.answering") / "words.yaml").read_text(encoding="utf-8"))


@cache
def _common_by_language() -> dict[str, frozenset[str]]:
    return {code: frozenset(folded(words).split()) for code, words in _document()["common"].items()}


@cache
def _kinds() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((kind, re.compile(pattern)) for kind, pattern in _document()["asks"])


@cache
def _numbers() -> re.Pattern[str]:
    return re.compile(_document()["numbers"])


@cache
def _answers() -> dict[str, re.Pattern[str]]:
    number = f"(?:{_document()['numbers']})"
    return {
        kind: re.compile(pattern.replace("@", number))
        for kind, pattern in _document()["answers"].items()
        if pattern != "%"
    }
