"""Why a picture got its label: the regions that move its vector towards the label."""

import numpy as np
from numpy.typing import NDArray

from flows.library.classification.vectors import shown
from flows.running.platform import Space
from modalities.classification.attribution import Explanation, direction_of
from modalities.embedding.attribution import relevance_map
from modalities.embedding.two_towers import TwoTowers, decode_picture
from modalities.errors import InvalidRequest
from storage.records import ArtifactRecord


def explain_picture(
    space: Space,
    record: ArtifactRecord,
    model: str,
    weight: NDArray[np.float32],
    probabilities: NDArray[np.float64],
    label: int,
) -> Explanation:
    """Compare the regions of a picture with the direction of a label, by a model of this process.

    `weight` has a row for each label. Raises InvalidRequest.
    """
    picture = shown(space, record)
    with space.platform.pool.operator(model) as operator:
        if picture is None or not isinstance(operator, TwoTowers):
            raise InvalidRequest(f"{record.name} cannot be explained by the model {model}.")
        pixels = decode_picture(space.store.get(picture), operator.picture_side)
        regions = relevance_map(operator, pixels, direction_of(weight, probabilities, label))
    return Explanation(regions=regions.round(3).tolist())
