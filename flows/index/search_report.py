"""The report of a search: its hits, or how many artifacts were searched without finding any."""

from collections.abc import Sequence

from pydantic import BaseModel

from storage.index.lexemes import Span
from storage.index.parts import PART_KINDS, Hit

_CONTEXT = 30
"""Characters before the first mark in an excerpt of a longer text."""
_NAMES = {"image": ("picture", "pictures"), "speech": ("recording", "recordings"), "text": ("text", "texts")}


class SearchReport(BaseModel):
    """A page of hits, best first, and how many there are in all; what was looked through if there are none."""

    hits: list[Hit]
    total: int = 0
    looked_through: dict[str, int] = {}
    notices: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.total} found." if self.hits else nothing_found(self.looked_through)


def nothing_found(looked_through: dict[str, int]) -> str:
    """Say that nothing was found, and in how much: "Nothing found in 3 pictures and 1 text."."""
    counted = [
        f"{number:,} {_NAMES[kind][number != 1]}" for kind in PART_KINDS if (number := looked_through.get(kind, 0))
    ]
    if not counted:
        return "Nothing found: there is nothing to look through."
    *others, last = counted
    return f"Nothing found in {', '.join(others)} and {last}." if others else f"Nothing found in {last}."


def cut_around_marks(text: str, marks: Sequence[Span], most: int) -> tuple[str, list[Span]]:
    """Cut out at most `most` characters around the first mark; return them with ellipses, and the marks in them."""
    start = 0
    if marks and marks[0][1] > most - _CONTEXT:
        start = text.rfind(" ", 0, marks[0][0] - _CONTEXT) + 1 or max(marks[0][0] - _CONTEXT, 0)
    end = start + most
    before, after = ("… " if start else ""), (" …" if end < len(text) else "")
    shift = len(before) - start
    kept = [(first + shift, min(last, end) + shift) for first, last in marks if start <= first < end]
    return f"{before}{text[start:end]}{after}", kept
