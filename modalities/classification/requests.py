"""The requests and results of classification."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from modalities.contract import Request, Result
from storage.artifacts import Artifact

_SHOWN = 5
_DIGITS = 4


class Classified(Result):
    """The most probable label. If even that is below the threshold, the item is out of scope."""

    label: str
    probability: float = Field(ge=0, le=1)
    in_scope: bool = Field(description="Whether the probability reaches the threshold of the classifier.")
    probabilities: dict[str, float] = Field(description="Of the five most probable labels.")


class Classify(Request[Classified]):
    """Classify what an encoder made a vector of."""

    vector: Artifact = Field(description="Little-endian float32, as an embedding has it.")
    dimension: int = Field(ge=1)
    space: str = Field(description="The vector space: a classifier knows the one that it was trained in.")


class ClassifyText(Request[Classified]):
    """Classify a text, or a pair of texts, by a fine-tuned encoder."""

    text: str
    second: str = Field(default="", description="The other text of a pair.")


class Rated(Result):
    """The number that a text would be given."""

    value: float


class RateText(Request[Rated]):
    """Give a text, or a pair of texts, a number by a fine-tuned encoder."""

    text: str
    second: str = Field(default="", description="The other text of a pair.")


def classified(labels: Sequence[str], probabilities: NDArray[np.float64], threshold: float) -> Classified:
    """The result for one row of probabilities."""
    order = np.argsort(-probabilities, kind="stable")[:_SHOWN]
    best = int(order[0])
    return Classified(
        label=labels[best],
        probability=round(float(probabilities[best]), _DIGITS),
        in_scope=bool(probabilities[best] >= threshold),
        probabilities={labels[int(place)]: round(float(probabilities[place]), _DIGITS) for place in order},
    )
