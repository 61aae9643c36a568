"""The report of a search: its hits, or how many artifacts were searched without finding any."""

from pydantic import BaseModel

from storage.index.parts import PART_KINDS, Hit

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
