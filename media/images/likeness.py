"""How alike two pictures are: the same in another size, compression or brightness, or a slight crop of the other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Miniature = NDArray[np.uint8]
"""Gray pixels of shape (height, width), the longer side SIDE: see media.pictures.gray_miniature."""
SIDE = 64
ALIKE = 0.93
"""From this likeness on two pictures are near duplicates (see tests/media/test_likeness.py)."""
_SCALES = (1.0, 0.985, 0.97, 0.955, 0.94, 0.925, 0.91, 0.895, 0.88, 0.86, 0.84, 0.82, 0.8)
"""The sides of a crop that are tried, as parts of those of the whole."""
_EVEN = 2.0
"""Below this standard deviation of its gray values a picture is even, and like everything."""


def likeness(one: Miniature, other: Miniature) -> float:
    """The highest normalised cross-correlation, from -1 to 1, of a picture with a region of the other."""
    return max(_as_crop(one, other), _as_crop(other, one))


def _as_crop(whole: Miniature, crop: Miniature) -> float:
    """How well the second, made smaller, fits somewhere into the first."""
    import cv2

    best = -1.0
    height, width = crop.shape
    for scale in _SCALES:
        size = (_fitting(width * scale, whole.shape[1]), _fitting(height * scale, whole.shape[0]))
        if 0 in size:
            continue
        part: Any = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
        if float(part.std()) >= _EVEN:
            best = max(best, float(cv2.matchTemplate(whole, part, cv2.TM_CCOEFF_NORMED).max()))
    return best


def _fitting(length: float, longest: int) -> int:
    """A length in whole pixels; 0 if it is too long, by more than the pixel that rounding may cost."""
    rounded = round(length)
    return 0 if rounded > longest + 1 else min(rounded, longest)
