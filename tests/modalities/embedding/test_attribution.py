"""Which regions of a picture make it near a query, by a model of two towers whose vectors say what they are made of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from modalities.embedding.attribution import relevance_map
from modalities.embedding.requests import Vectors


class Colors:
    """Two towers whose pictures are the mean of their colors."""

    batch_size = 8
    picture_side = 56

    def prepare(self, picture: Image.Image) -> Any:
        return np.asarray(picture.resize((56, 56)), np.float32).mean((0, 1))

    def encode_pictures(self, prepared: Sequence[Any]) -> Vectors:
        rows = np.stack(prepared) + 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return np.array([[text == "red", text == "green", text == "blue"] for text in texts], np.float32)


def test_what_is_covered_where_a_picture_is_like_the_query_makes_it_less_near() -> None:
    picture = Image.new("RGB", (200, 100), "blue")
    picture.paste("red", (150, 0, 200, 100))
    towers = Colors()
    values = relevance_map(towers, picture, towers.encode_texts(["red"])[0])
    assert values.shape == (7, 7)
    assert values[:, 6].min() == values.max() == 1
    assert values[:, :3].max() == 0
