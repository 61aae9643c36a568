"""Why a picture is near a query: which regions and which classes of a classifier make its cosine."""

from itertools import product
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from modalities.embedding.requests import Vectors
from modalities.embedding.two_towers import TwoTowers

if TYPE_CHECKING:
    from PIL.Image import Image

_CELLS = 7
_COVERED = 2
"""How many cells a square that covers a part of the picture is wide and high."""


class ClassShare(BaseModel):
    """A class that a classifier sees in a picture; `share` is its part in the cosine, of all classes that raise it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    probability: float = Field(ge=0, le=1)
    share: float = Field(ge=0, le=1)


@runtime_checkable
class AttributesToClasses(Protocol):
    """A model whose picture vectors are made of the names of classes."""

    def class_shares(self, picture: "Image", vector: Vectors) -> list[ClassShare]:
        """Return the classes that bring a picture nearest to a query, the largest share first."""
        ...

    def class_activation_map(self, picture: "Image", vector: Vectors) -> Vectors:
        """Return how much each region raises the cosine to a query: shape (rows, columns), of any scale."""
        ...


def relevance_map(towers: TwoTowers, picture: "Image", vector: Vectors) -> Vectors:
    """Return how much each of 7 × 7 regions makes a picture near a query, from 0 to 1 for the most.

    By the class activation maps of models that are made of classes, by occlusion for others. All are 0 if none matters.
    """
    of_classes = isinstance(towers, AttributesToClasses)
    values = towers.class_activation_map(picture, vector) if of_classes else occlusion_map(towers, picture, vector)
    values = np.maximum(values, 0)
    return values / values.max() if values.max() > 0 else values


def occlusion_map(towers: TwoTowers, picture: "Image", vector: Vectors) -> Vectors:
    """Return how much the cosine falls when gray squares cover a region, less the mean of all regions: shape (7, 7)."""
    steps = _CELLS - _COVERED + 1
    corners = list(product(range(steps), range(steps)))
    scale = towers.picture_side / min(picture.size)
    small = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    prepared = [towers.prepare(_covered(small, row, column)) for row, column in corners]
    batches = range(0, len(prepared), towers.batch_size)
    rows = np.concatenate([towers.encode_pictures(prepared[at : at + towers.batch_size]) for at in batches])
    values, counts = np.zeros((_CELLS, _CELLS), np.float32), np.zeros((_CELLS, _CELLS), np.float32)
    for (row, column), cosine in zip(corners, rows @ vector, strict=True):
        region = slice(row, row + _COVERED), slice(column, column + _COVERED)
        values[region] -= cosine
        counts[region] += 1
    values /= counts
    return values - values.mean()


def _covered(picture: "Image", row: int, column: int) -> "Image":
    copy = picture.copy()
    left, right = (round(at * picture.width / _CELLS) for at in (column, column + _COVERED))
    top, bottom = (round(at * picture.height / _CELLS) for at in (row, row + _COVERED))
    copy.paste((128, 128, 128), (left, top, right, bottom))
    return copy
