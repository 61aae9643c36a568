"""The library page: the newest artifacts, or the results of a search."""

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
from gateway.gallery.page import PageRenderer
from gateway.gallery.pages.suggestions import cards_for_person
from gateway.gallery.parts.cards import Card, card_of_hit, cards_of
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Caller, Viewer
from storage.index.library import Order
from storage.records import Kind

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)
PAGE_SIZE = 60
_LAST_PAGE = 6
"""The last page of a search; later hits are hardly relevant."""
_SUBTITLES = "subtitles"
_KINDS: tuple[Kind, ...] = ("image", "speech", "text")


class LibraryQuery(BaseModel):
    """The fields of the search form. `within` is in days, `after` a cursor in the list of the newest."""

    q: str = Field(default="", max_length=2000)
    like: str = ""
    kind: Literal["", "image", "speech", "text"] = ""
    label: str = ""
    within: Literal["", "1", "7", "30", "365"] = ""
    order: Literal["", "made"] = ""
    after: str = ""
    page: int = Field(default=0, ge=0, le=_LAST_PAGE)

    @property
    def empty(self) -> bool:
        return not (self.q.strip() or self.like or self.kind or self.label or self.within)

    @property
    def by_time(self) -> Order:
        return "made" if self.order else "created"

    @property
    def is_search(self) -> bool:
        return bool(self.q.strip() or self.like)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (self.kind,) if self.kind else _KINDS

    @property
    def since(self) -> datetime | None:
        return datetime.now(UTC) - timedelta(days=int(self.within)) if self.within else None

    def query_string(self, **position: object) -> str:
        """Encode the query for an address, with `page` or `after` only if given."""
        fields = self.model_dump(exclude={"after", "page"}) | position
        return urlencode({name: value for name, value in fields.items() if value})


@router.get("/")
async def library(request: Request, caller: Viewer, query: Annotated[LibraryQuery, Query()]) -> Response:
    """Show the library."""
    renderer, space = PageRenderer(request, caller.person), caller.space
    cards: list[Card] = []
    similar_to: InputArtifact | None = None
    more, error_text = "", ""
    report = search.SearchReport(hits=[])
    try:
        if query.like:
            similar_to = await run_in_threadpool(resolve_input, space, query.like)
        cards, more, report = await find_cards(caller, query)
    except (*EXPECTED, WrongInput) as error:
        if getattr(error, "retryable", False):
            raise
        error_text = str(error)
    labels = await run_in_threadpool(space.library.labels, space.project)
    is_front = query == LibraryQuery()
    return renderer.page(
        "library.html",
        current="library",
        query=query,
        similar_to=similar_to,
        cards=cards,
        for_you=await run_in_threadpool(cards_for_person, caller) if is_front else [],
        more=f"/?{more}" if more else "",
        error=error_text,
        labels=sorted(labels.items(), key=lambda pair: -pair[1])[:200],
        heading=_heading(renderer, query, report.total),
        looked_through=_looked_through(renderer, report.looked_through),
        notices=report.notices,
    )


async def find_cards(caller: Caller, query: LibraryQuery) -> tuple[list[Card], str, search.SearchReport]:
    """Return a page of cards, the query string of the next page, empty on the last one, and the report of a search."""
    space = caller.space
    if not query.is_search:
        return *await run_in_threadpool(_newest, space, query), search.SearchReport(hits=[])
    search_query = fill_form(
        search.Query,
        words="" if query.like else query.q,
        like=query.like,
        kinds=list(query.kinds),
        labels=[query.label] if query.label else [],
        since=None if query.order else query.since,
        made_since=query.since if query.order else None,
        limit=PAGE_SIZE,
        offset=query.page * PAGE_SIZE,
        project=space.project,
    )
    report = await search.find(local_context(space), search_query, caller.services.query_embeddings.encode)
    words = search_query.words.strip()
    has_more = report.total > (query.page + 1) * PAGE_SIZE and query.page < _LAST_PAGE
    more = query.query_string(page=query.page + 1) if has_more else ""
    return [card_of_hit(hit, words) for hit in report.hits], more, report


def _newest(space: Space, query: LibraryQuery) -> tuple[list[Card], str]:
    page = space.library.page(
        space.project,
        kinds=query.kinds,
        labels=[query.label] if query.label else [],
        # Subtitles are not listed: a search finds their recording.
        without=[] if query.label == _SUBTITLES else [_SUBTITLES],
        since=query.since,
        order=query.by_time,
        with_motions=False,
        after=query.after or None,
        limit=PAGE_SIZE,
    )
    cards = cards_of(space, [(each.artifact, each.media_type, each.name) for each in page.rows])
    return cards, query.query_string(after=page.next) if page.next else ""


def _heading(renderer: PageRenderer, query: LibraryQuery, total: int) -> str:
    if query.is_search:
        return renderer.translate("{count} found", count=total)
    if query.order:
        return renderer.translate("Newest first, by when it was made")
    return renderer.translate("Newest first")


def _looked_through(renderer: PageRenderer, counts: dict[str, int]) -> str:
    """Say how many artifacts were searched without a hit; empty if there are none to search."""
    if not any(counts.values()):
        return ""
    return renderer.translate(
        "Nothing in {pictures} pictures, {recordings} recordings and {texts} texts is about that.",
        pictures=counts.get("image", 0),
        recordings=counts.get("speech", 0),
        texts=counts.get("text", 0),
    )
