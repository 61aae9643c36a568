"""Cards: the entries of lists, for a picture, a moment of a recording or a passage of text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

from markupsafe import Markup

from flows.library.markdown import format_time
from flows.running.platform import Space
from gateway.gallery.excerpts import excerpt, highlight_name
from storage.index.parts import Hit
from storage.records import Kind, kind_of


@dataclass(frozen=True)
class Card:
    """One entry of a list; `moment` is the time in a recording, such as 1:05, at which the words are said.

    `face` is the address of the picture on it; empty for words. `place` is where the words are, such as `page=3`.
    `title` is the name with the words of the query marked.
    """

    artifact: str
    kind: Kind
    name: str
    address: str
    excerpt: Markup
    title: Markup
    moment: str = ""
    place: str = ""
    face: str = ""


def card_of_hit(hit: Hit, words: str) -> Card:
    """Make the card of a search hit; the address of a recording includes the time of the hit."""
    query: dict[str, str] = {"q": words} if words else {}
    moment = ""
    if hit.start_seconds is not None:
        query["at"] = f"{hit.start_seconds:g}"
        moment = format_time(hit.start_seconds)
    if hit.place:
        query["place"] = hit.place
    return Card(
        artifact=hit.artifact,
        kind=hit.kind,
        name=hit.name,
        address=_address(hit.artifact, query) + (f"#{quote(hit.place, safe='=,:')}" if hit.place else ""),
        excerpt=excerpt(hit.text, words),
        title=highlight_name(hit.name, words),
        moment=moment,
        place=hit.place,
        face=face_address(hit.artifact, hit.start_seconds, hit.place) if _is_seen(hit) else "",
    )


def cards_of(space: Space, listed: Sequence[tuple[str, str, str]]) -> list[Card]:
    """Make the cards of artifacts, given as (id, media type, name), with the opening words of texts and recordings."""
    written = [artifact for artifact, media_type, _ in listed if kind_of(media_type) != "image"]
    first_texts = space.index.first_texts(space.project, written) if written else {}
    return [
        Card(
            artifact=artifact,
            kind=kind_of(media_type),
            name=name,
            address=_address(artifact, {}),
            excerpt=excerpt(first_texts.get(artifact, ""), ""),
            title=highlight_name(name, ""),
            moment=format_time(0) if kind_of(media_type) == "speech" else "",
            face=face_address(artifact) if media_type.startswith(("image/", "video/")) else "",
        )
        for artifact, media_type, name in listed
    ]


def _is_seen(hit: Hit) -> bool:
    """Whether a hit is a picture, or was found by what a frame or a page shows."""
    return hit.kind == "image" or bool(hit.places and hit.places[0].kind == "image")


def face_address(artifact: str, seconds: float | None = None, place: str = "") -> str:
    """Return the address of a thumbnail: of the whole artifact, of the frame at a time, or of a place."""
    query = (
        {"side": "512"} | ({"at": f"{seconds:g}"} if seconds is not None else {}) | ({"place": place} if place else {})
    )
    return f"/api/artifacts/{artifact}/thumbnail?{urlencode(query)}"


def _address(artifact: str, query: dict[str, str]) -> str:
    return f"/artifacts/{artifact}" + (f"?{urlencode(query)}" if query else "")


WEB_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"})
"""The image types that every browser can display."""
_MAX_INLINE_BYTES = 2_000_000


def preview_address(artifact: str, media_type: str, size: int) -> str:
    """Return the address of a picture to show on a page: the picture itself, or a preview if it is large."""
    is_small = media_type in WEB_TYPES and size <= _MAX_INLINE_BYTES
    return f"/content/{artifact}" if is_small else f"/previews/{artifact}"


ReviewLabel = Literal["", "selected", "rejected"]
"""The label that a review gives a picture; empty if it has none."""
