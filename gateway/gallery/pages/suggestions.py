"""Suggestions on the pages: rows of cards, and the button that deletes what is kept about the person."""

from collections.abc import Sequence

from fastapi import APIRouter, Response

from flows.suggesting.interactions import Interactions
from flows.suggesting.suggest import Suggestion
from gateway.gallery.page import redirect_to
from gateway.gallery.parts.cards import Card, cards_of
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Caller, Viewer

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)
_FOR_YOU, _BESIDE = 6, 6


@router.post("/suggestions/forget")
def forget(caller: Viewer) -> Response:
    """Delete what is kept about the person in the project."""
    Interactions(caller.services.platform.bucket, caller.project).forget(caller.person.name)
    return redirect_to("/")


def cards_for_person(caller: Caller) -> list[Card]:
    """What the person may like; none where the project keeps nothing about persons."""
    found = caller.services.suggester.for_person(caller.space, caller.person.name, _FOR_YOU)
    return _cards(caller, found.suggestions)


def cards_beside(caller: Caller, artifact: str) -> list[Card]:
    """What goes with an artifact."""
    return _cards(caller, caller.services.suggester.beside(caller.space, artifact, _BESIDE).suggestions)


def _cards(caller: Caller, suggestions: Sequence[Suggestion]) -> list[Card]:
    return cards_of(caller.space, [(each.artifact, each.media_type, each.name) for each in suggestions])
