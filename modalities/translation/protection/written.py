"""What the dates and the amounts of a text have in common."""

from typing import NamedTuple


class Written(NamedTuple):
    """A part of a text, from `start` to `end` in characters, and `copy`, how the target language writes it."""

    start: int
    end: int
    copy: str
