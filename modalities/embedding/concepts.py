"""Concepts: WordNet synsets over the classes of a classifier, such as dog.n.01 over 118 breeds, and the words for them.

The probability of a concept is the sum of those of its classes. So a picture is found by `dog`, `Hund` or `animal`
although the classifier knows breeds alone, and a picture without any is not.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from modalities.embedding.requests import Vectors
from storage.index.lexemes import stem, tokens

_LEAST_PROBABLE = 0.02
_LONGEST_NAME = 5
"""In tokens."""
_FUNCTION_WORDS = (
    "a an and at by for from in into is it of on or the to with der die das dem den des ein eine einen einem einer und "
    "im am mit von zu le la les un une des et du de d l en el los las una y con por para il lo di e i photo picture "
    "no once over make image foto bild imagen some two three few several many near next his her their this that are"
)
_OR = frozenset(("or", "oder", "ou", "или", "或"))
_WITHOUT_MEANING = _OR | frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True)
class MentionedConcepts:
    """The concepts that a query names: for each word, the senses that it may have; and how many words name none."""

    groups: tuple[tuple[str, ...], ...] = ()
    other_words: int = 0

    @property
    def coverage(self) -> float:
        """The share of the words that name a concept."""
        return len(self.groups) / max(len(self.groups) + self.other_words, 1)

    @property
    def is_one(self) -> bool:
        """Whether the query is the name of one concept."""
        return len(self.groups) == 1 and not self.other_words


NO_CONCEPTS = MentionedConcepts()


class ConceptLexicon:
    """The concepts of a classifier, and the words that name them."""

    def __init__(
        self,
        classes: dict[str, list[int]],
        words: dict[str, list[str]],
        elsewhere: dict[str, list[str]],
        number_of_classes: int,
    ) -> None:
        """`words` name the concepts in every query, those of `elsewhere` otherwise in queries that are not English."""
        self._names = list(classes)
        self._words = words
        self._elsewhere = words | elsewhere
        self._members = np.zeros((number_of_classes, len(classes)), np.float32)
        for column, numbers in enumerate(classes.values()):
            self._members[numbers, column] = 1

    @classmethod
    def load(cls, path: Path, number_of_classes: int) -> Self:
        """Read the file that training/concepts makes."""
        tables = json.loads(path.read_text(encoding="utf-8"))
        return cls(tables["classes"], tables["words"], tables["elsewhere"], number_of_classes)

    def recognize(self, probabilities: Vectors) -> list[dict[str, float]]:
        """The concepts that each picture shows with at least 2 %, the most probable first, from (n, classes)."""
        return [self._probable(row) for row in probabilities @ self._members]

    def mentioned(self, text: str, *, english: bool) -> MentionedConcepts:
        """The concepts that a query names, by its longest phrases from the left."""
        words = self._words if english else self._elsewhere
        rest = [_stem(token) for token in tokens(text)]
        groups: list[tuple[str, ...]] = []
        others = 0
        while rest:
            length = _longest_name(words, rest)
            if length:
                groups.append(tuple(words[" ".join(rest[:length])]))
            elif rest[0] not in _WITHOUT_MEANING:
                others += 1
            rest = rest[length or 1 :]
        if len(groups) > 1 and not _OR.isdisjoint(tokens(text)):  # either will do, as in "a dog or a cat"
            groups = [tuple(dict.fromkeys(name for group in groups for name in group))]
        return MentionedConcepts(tuple(dict.fromkeys(groups)), others)

    def _probable(self, row: Vectors) -> dict[str, float]:
        order = np.argsort(-row, kind="stable")
        return {self._names[at]: round(float(row[at]), 3) for at in order if row[at] >= _LEAST_PROBABLE}


def lexicon_key(name: str) -> str:
    """A name as the lexicon has it: its tokens without plural and case endings."""
    return " ".join(_stem(token) for token in tokens(name))


def _stem(token: str) -> str:
    """The token without plural endings, and without those of the cases of Russian and Ukrainian nouns."""
    return _CASE_ENDING.sub("", token) if _CYRILLIC.match(token) else stem(token)


_CYRILLIC = re.compile("[\u0400-\u04ff]")
_CASE_ENDING = re.compile("(?<=[\u0400-\u04ff]{3})(?:ами|ями|ов|ев|еи|ах|ях|ам|ям|ом|ем|ою|ею|[аяыиоеуюьі])$")


def _longest_name(words: Mapping[str, Sequence[str]], rest: Sequence[str]) -> int:
    """How many of the first words name a concept together."""
    for length in range(min(_LONGEST_NAME, len(rest)), 0, -1):
        name = " ".join(rest[:length])
        if name in words and name not in _WITHOUT_MEANING:
            return length
    return 0
