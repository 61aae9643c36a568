"""Encode a search query as a vector, with the lines that convert a cosine to a probability of relevance.

The logit of the probability that something with cosine c is what was asked for is the least of slope · c + intercept.
A line may depend on the query: words that are about nothing the model knows need a larger cosine.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from modalities.contract import Calibration, ModelSpec
from modalities.embedding.concepts import NO_CONCEPTS, MentionedConcepts
from modalities.embedding.requests import Vectors

Line = tuple[float, float]


@dataclass(frozen=True)
class EncodedQuery:
    """A unit vector, and the lines of its cosines; none for a model that says nothing about them.

    `concepts` are what the query names of the concepts that the model recognizes in pictures.
    """

    vector: list[float]
    lines: tuple[Line, ...] = ()
    concepts: MentionedConcepts = NO_CONCEPTS


@runtime_checkable
class QueryEncoder(Protocol):
    """An operator that calibrates each query by itself."""

    def encode_query(self, text: str) -> EncodedQuery:
        """Encode one query."""
        ...


class TextTower(Protocol):
    """An operator that embeds texts as queries."""

    def encode_texts(self, texts: list[str]) -> Vectors:
        """Return one row per text."""
        ...


def encode_query(operator: Any, spec: ModelSpec, text: str) -> EncodedQuery:
    """Encode a query with a loaded model; with the calibration of its entry if it does not calibrate by itself."""
    if isinstance(operator, QueryEncoder):
        return operator.encode_query(text)
    tower: TextTower = operator
    return EncodedQuery(tower.encode_texts([text])[0].tolist(), calibrated_lines(spec))


def calibrated_lines(spec: ModelSpec) -> tuple[Line, ...]:
    """The line of the calibration in models.yaml, if there is one."""
    return (scaled_line(spec.calibration, 1.0),) if spec.calibration else ()


def scaled_line(calibration: Calibration, length: float) -> Line:
    """Convert a calibration of products with a vector of this length to the line of cosines."""
    return (calibration.slope * length, -calibration.slope * calibration.middle)


def lines_of_background(cosines: Vectors) -> tuple[Line, ...]:
    """Estimate the line of a model without calibration from the cosines of unrelated queries and parts.

    The probability is one half at 3.2 standard deviations above their mean, as in the contrastive models measured.
    """
    if cosines.size < _FEWEST:
        return ()
    deviation = max(float(np.std(cosines)), 1e-3)
    slope = _SLOPE_PER_DEVIATION / deviation
    return ((slope, -slope * (float(np.mean(cosines)) + _MIDDLE_DEVIATIONS * deviation)),)


_FEWEST = 200
_SLOPE_PER_DEVIATION, _MIDDLE_DEVIATIONS = 1.5, 3.2
