"""What opening and decoding a damaged or hostile picture raises, beside MemoryError."""

import struct
from functools import cache

BROKEN = "The picture cannot be decoded: its data is broken, cut off, hostile or too large."


@cache
def picture_errors() -> tuple[type[Exception], ...]:
    """Return them, by observation of Pillow's plugins or by their source; UnidentifiedImageError is an OSError.

    A function for `except` clauses, so that Pillow is imported late.
    """
    from PIL.Image import DecompressionBombError

    return (
        *(OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, RuntimeError, TypeError),
        *(struct.error, DecompressionBombError),
    )
