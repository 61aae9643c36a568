"""The review page, on which pictures are labelled as selected or rejected one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from flows.running.platform import Space
from gateway.gallery.page import PageRenderer
from gateway.gallery.pages.artifact import REVIEW_LABELS
from gateway.gallery.pages.library import LibraryQuery, find_cards
from gateway.gallery.parts.cards import preview_address
from gateway.gallery.parts.collections import Collections
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Caller, Maker

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)
_MAX_PICTURES = 200


class ReviewQuery(LibraryQuery):
    """The pictures to review: those named in `of`, a collection, or the results of a search."""

    of: tuple[str, ...] = ()
    collection: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture to review, with the review label that it has already, if any."""

    id: str
    name: str
    preview: str
    verdict: str


@router.get("/review")
async def review(request: Request, caller: Maker, query: Annotated[ReviewQuery, Query()]) -> Response:
    """Show the pictures."""
    pictures = await _pictures(caller, query)
    return PageRenderer(request, caller.person).page("review.html", pictures=pictures)


async def _pictures(caller: Caller, query: ReviewQuery) -> Sequence[Picture]:
    space = caller.space
    if query.collection:
        chosen = await run_in_threadpool(lambda: Collections(space.refs).get(query.collection).artifacts)
    elif query.of:
        chosen = query.of
    else:
        cards, *_ = await find_cards(caller, query.model_copy(update={"kind": "image"}))
        chosen = tuple(card.artifact for card in cards)
    return await run_in_threadpool(_load_pictures, space, chosen[:_MAX_PICTURES])


def _load_pictures(space: Space, artifacts: Sequence[str]) -> list[Picture]:
    records = [record for record in space.records.find_readable(artifacts) if record.kind == "image"]
    labels, _ = space.labels.of_many(records)
    return [
        Picture(
            id=record.artifact.sha256,
            name=record.name,
            preview=preview_address(record.artifact.sha256, record.artifact.media_type, record.artifact.size),
            verdict=next((label for label in REVIEW_LABELS if label in labels[record.artifact.sha256]), ""),
        )
        for record in records
        if record.artifact.sha256 in labels
    ]
