"""Places in artifacts, such as `page=3`, as people read them."""

from collections.abc import Callable

_TITLES = {
    "page": "Page {number}",
    "slide": "Slide {number}",
    "sheet": "Sheet {number}",
    "chapter": "Chapter {number}",
    "frame": "Frame {number}",
    "xywh": "In the picture",
}


def place_title(translate: Callable[..., str], place: str) -> str:
    """Return a place in words; empty for the whole artifact and for a kind of place that has no title."""
    kind, _, value = place.partition("=")
    title = _TITLES.get(kind)
    return translate(title, number=value) if title else ""
