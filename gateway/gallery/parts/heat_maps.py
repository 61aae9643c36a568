"""Heat maps: which regions of a picture make a search find it, as a picture to lay over it."""

import io
from collections.abc import Sequence

_SIDE = 224
_COLOR = (255, 98, 0)
_DENSEST = 185
"""The alpha of the region that matters most, of 255."""


def heat_map_png(regions: Sequence[Sequence[float]]) -> bytes:
    """Render rows of values from 0 to 1 as a square PNG, transparent where the value is 0."""
    import numpy as np
    from PIL import Image

    cells = Image.fromarray((np.array(regions) * _DENSEST).astype(np.uint8))
    picture = Image.new("RGB", (_SIDE, _SIDE), _COLOR)
    picture.putalpha(cells.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))
    target = io.BytesIO()
    picture.save(target, "PNG", optimize=True)
    return target.getvalue()
