"""The size nearest to an asked one that a model makes well."""

from math import sqrt

LARGEST_SIDE = 4096
SMALLEST_SIDE = 16
_MOST_AREA = 4.0
"""Pictures of more than four times the area that the model was trained for repeat themselves; of less than a quarter
they show nothing."""


def nearest_size(width: int, height: int, native: tuple[int, int]) -> tuple[int, int]:
    """Return the nearest size that a model of the native size makes well, of the same shape as far as possible.

    A size whose sides are multiples of 8 stays as it is if its area is at most four times the native one, and at least
    a quarter. Others get the native area.
    """
    area = native[0] * native[1]
    cell = 16 if max(native) >= 1024 else 8
    if area / _MOST_AREA <= width * height <= area * _MOST_AREA:
        scale, cell = 1.0, 8
    else:
        scale = sqrt(area / (width * height))
    return _rounded(width * scale, cell), _rounded(height * scale, cell)


def _rounded(side: float, cell: int) -> int:
    return min(max(round(side / cell) * cell, SMALLEST_SIDE), LARGEST_SIDE)
