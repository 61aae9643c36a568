"""Why a text got its label or number: how much each word changes the answer, by occlusion."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
"""A word, or one character of a script that is written without spaces."""
MOST_WORDS = 100
_LEAST = 1e-6
_DIGITS = 3
Scores = Callable[[Sequence[str]], NDArray[np.float64]]
"""Of each text, how much it is what was answered, on a scale without bounds: shape (texts,)."""


class WordEffect(BaseModel):
    """A word of the text, and how much it speaks for the answer (above 0) or against it (below 0): 1 or -1 for the
    word that changes the answer most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: str
    effect: float = Field(ge=-1, le=1)


class Explanation(BaseModel):
    """What made an answer: the words of a text in order, or 7 rows of 7 regions of a picture, from 0 to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: list[WordEffect] = []
    regions: list[list[float]] = []


def word_effects(text: str, scores: Scores) -> list[WordEffect]:
    """Leave out each of the first 100 words in turn, and compare the score with that of the whole text."""
    found = list(_WORD.finditer(text))[:MOST_WORDS]
    if not found:
        return []
    without = [f"{text[: match.start()]}{text[match.end() :]}" for match in found]
    values = scores([text, *without])
    effects = values[0] - values[1:]
    scale = max(float(np.abs(effects).max()), _LEAST)
    return [
        WordEffect(word=match.group(), effect=round(float(effect) / scale, _DIGITS))
        for match, effect in zip(found, effects, strict=True)
    ]


def log_odds(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of p / (1 - p), for probabilities that may be 0 or 1."""
    bounded = np.clip(probabilities, _LEAST, 1 - _LEAST)
    return np.log(bounded / (1 - bounded))


def direction_of(weight: NDArray[np.float32], probabilities: NDArray[np.float64], label: int) -> NDArray[np.float32]:
    """The direction in which a vector becomes more of a label: the gradient of its log-probability, of length 1.

    `weight` is that of a linear head: shape (labels, dimension); `probabilities` are those of the vector: (labels,).
    """
    gradient = weight[label] - probabilities.astype(np.float32) @ weight
    return gradient / max(float(np.linalg.norm(gradient)), _LEAST)
