"""The library: what is newest, and what a search finds."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from flows import search
from flows.library.inputs import InputArtifact, resolve_input
from flows.running.context import local_context
from flows.running.errors import EXPECTED
from flows.running.platform import Space
from gateway.errors import WrongInput
from gateway.forms import fill_form
from gateway.gallery.page import Reader
from gateway.gallery.parts.cards import Card, card_of_hit, cards_of
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Viewer
from storage.records import Kind

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)
PAGE = 60
_LAST_PAGE = 6
"""Of a search: what comes later has little to do with the words."""
SUBTITLES = "subtitles"
_KINDS: tuple[Kind, ...] = ("image", "speech", "text")


class Asked(BaseModel):
    """What somebody looks for; the names are those of the form. `within` in days, `after` a place in the newest."""

    q: str = Field(default="", max_length=2000)
    like: str = ""
    kind: Literal["", "image", "speech", "text"] = ""
    label: str = ""
    within: Literal["", "1", "7", "30", "365"] = ""
    after: str = ""
    page: int = Field(default=0, ge=0, le=_LAST_PAGE)

    @property
    def empty(self) -> bool:
        return not (self.q.strip() or self.like or self.kind or self.label or self.within)

    @property
    def is_search(self) -> bool:
        return bool(self.q.strip() or self.like)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (self.kind,) if self.kind else _KINDS

    @property
    def since(self) -> datetime | None:
        return datetime.now(UTC) - timedelta(days=int(self.within)) if self.within else None

    @property
    def query(self) -> str:
        """The same question as an address has it, without the place in the list."""
        return self.with_place()

    def with_place(self, **place: object) -> str:
        fields = self.model_dump(exclude={"after", "page"}) | place
        return urlencode({name: value for name, value in fields.items() if value})


@router.get("/")
async def library(request: Request, caller: Viewer, asked: Annotated[Asked, Query()]) -> Response:
    """The first page."""
    reader, space = Reader(request, caller.person), caller.space
    cards: list[Card] = []
    likeness: InputArtifact | None = None
    more, fault = "", ""
    try:
        if asked.like:
            likeness = await run_in_threadpool(resolve_input, space, asked.like)
        cards, more = await found(space, asked)
    except (*EXPECTED, WrongInput) as error:
        if getattr(error, "retryable", False):
            raise
        fault = str(error)
    labels = await run_in_threadpool(space.library.labels, space.project)
    return reader.page(
        "library.html",
        here="library",
        asked=asked,
        likeness=likeness,
        cards=cards,
        more=f"/?{more}" if more else "",
        fault=fault,
        labels=sorted(labels.items(), key=lambda pair: -pair[1])[:200],
        heading=_heading(reader, asked, len(cards)),
    )


async def found(space: Space, asked: Asked) -> tuple[list[Card], str]:
    """A page of cards, and the query of the next one if there is one."""
    if not asked.is_search:
        return await run_in_threadpool(_newest, space, asked)
    query = fill_form(
        search.Query,
        words="" if asked.like else asked.q,
        like=asked.like,
        kinds=list(asked.kinds),
        labels=[asked.label] if asked.label else [],
        since=asked.since,
        limit=PAGE + 1,
        offset=asked.page * PAGE,
        project=space.project,
    )
    hits = (await search.find(local_context(space), query)).hits
    words = query.words.strip()
    more = asked.with_place(page=asked.page + 1) if len(hits) > PAGE and asked.page < _LAST_PAGE else ""
    return [card_of_hit(hit, words) for hit in hits[:PAGE]], more


def _newest(space: Space, asked: Asked) -> tuple[list[Card], str]:
    page = space.library.page(
        space.project,
        kinds=asked.kinds,
        labels=[asked.label] if asked.label else [],
        # Subtitles are found with their recording.
        without=[] if asked.label == SUBTITLES else [SUBTITLES],
        since=asked.since,
        after=asked.after or None,
        limit=PAGE,
    )
    cards = cards_of(space, [(each.artifact, each.kind, each.name) for each in page.rows])
    return cards, asked.with_place(after=page.next) if page.next else ""


def _heading(reader: Reader, asked: Asked, count: int) -> str:
    if asked.is_search:
        return reader.say("{count} found", count=f"{count}+" if count >= PAGE else count)
    return reader.say("Newest first")
