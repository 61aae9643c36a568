"""Cards: what a list shows of a picture, a spoken moment or a passage of text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from markupsafe import Markup

from flows.running.markdown import format_time
from flows.running.platform import Space
from gateway.gallery.excerpts import excerpt
from storage.index.parts import Hit
from storage.records import Kind


@dataclass(frozen=True)
class Card:
    """One thing in a list; `moment` is the time in a recording at which the words are said."""

    artifact: str
    kind: Kind
    name: str
    address: str
    excerpt: Markup
    moment: str = ""


def card_of_hit(hit: Hit, words: str) -> Card:
    """A part that was found; a spoken moment's address starts there."""
    asked: dict[str, str] = {"q": words} if words else {}
    moment = ""
    if hit.start_seconds is not None:
        asked["at"] = f"{hit.start_seconds:g}"
        moment = format_time(hit.start_seconds)
    return Card(
        artifact=hit.artifact,
        kind=hit.kind,
        name=hit.name,
        address=_address(hit.artifact, asked),
        excerpt=excerpt(hit.text, words),
        moment=moment,
    )


def cards_of(space: Space, listed: Sequence[tuple[str, Kind, str]]) -> list[Card]:
    """Artifacts by id, kind and name, with the first words of those that have some."""
    written = [artifact for artifact, kind, _ in listed if kind != "image"]
    first_texts = space.index.first_texts(space.project, written) if written else {}
    return [
        Card(
            artifact=artifact,
            kind=kind,
            name=name,
            address=_address(artifact, {}),
            excerpt=excerpt(first_texts.get(artifact, ""), ""),
            moment=format_time(0) if kind == "speech" else "",
        )
        for artifact, kind, name in listed
    ]


def _address(artifact: str, asked: dict[str, str]) -> str:
    return f"/artifacts/{artifact}" + (f"?{urlencode(asked)}" if asked else "")


WEB_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"})
"""The pictures that every browser shows."""
_LARGEST_SHOWN = 2_000_000


def preview_address(artifact: str, media_type: str, size: int) -> str:
    """Where the browser gets a picture to fill a page with: the picture itself, or a smaller one of a large one."""
    shown_as_it_is = media_type in WEB_TYPES and size <= _LARGEST_SHOWN
    return f"/content/{artifact}" if shown_as_it_is else f"/previews/{artifact}"


Verdict = Literal["", "selected", "rejected"]
