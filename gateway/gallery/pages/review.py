"""Review: picture after picture is selected or rejected, and that is kept as a label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from flows.running.platform import Space
from gateway.gallery.page import Reader
from gateway.gallery.pages.artifact import VERDICTS
from gateway.gallery.pages.library import Asked, found
from gateway.gallery.parts.cards import preview_address
from gateway.gallery.parts.collections import Collections
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Maker

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)
_MOST = 200


class Reviewed(Asked):
    """What is reviewed: named pictures, a collection, or what a search finds."""

    of: tuple[str, ...] = ()
    collection: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture to judge."""

    id: str
    name: str
    preview: str
    verdict: str


@router.get("/review")
async def review(request: Request, caller: Maker, asked: Annotated[Reviewed, Query()]) -> Response:
    """The table on which the pictures lie."""
    pictures = await _pictures(caller.space, asked)
    return Reader(request, caller.person).page("review.html", pictures=pictures)


async def _pictures(space: Space, asked: Reviewed) -> Sequence[Picture]:
    if asked.collection:
        chosen = await run_in_threadpool(lambda: Collections(space.refs).get(asked.collection).artifacts)
    elif asked.of:
        chosen = asked.of
    else:
        cards, _ = await found(space, asked.model_copy(update={"kind": "image"}))
        chosen = tuple(card.artifact for card in cards)
    return await run_in_threadpool(_judged, space, chosen[:_MOST])


def _judged(space: Space, artifacts: Sequence[str]) -> list[Picture]:
    records = [record for artifact in artifacts if (record := space.records.find(artifact)) and record.kind == "image"]
    labels = space.labels.of_many(records)
    return [
        Picture(
            id=record.artifact.sha256,
            name=record.name,
            preview=preview_address(record.artifact.sha256, record.artifact.media_type, record.artifact.size),
            verdict=next((word for word in VERDICTS if word in labels[record.artifact.sha256]), ""),
        )
        for record in records
    ]
