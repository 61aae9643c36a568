"""/api/suggestions: what a person may like, and what goes with an artifact; what is kept about persons for it."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from flows.suggesting.interactions import Action, Interactions, PersonInteractions
from flows.suggesting.suggest import Suggestions
from gateway.http.access import Caller, Viewer
from gateway.http.body_limits import starts_no_job
from gateway.http.routes.artifacts import Identity

router = APIRouter(prefix="/api", tags=["Suggestions"])
Limit = Annotated[int, Query(ge=1, le=50)]


class Noted(BaseModel):
    """What the caller did with an artifact."""

    model_config = ConfigDict(extra="forbid")

    action: Action


@router.get("/suggestions")
def suggest(caller: Viewer, limit: Limit = 10) -> Suggestions:
    """What the caller may like and has not opened; nothing where the project keeps nothing about persons."""
    return caller.services.suggester.for_person(caller.space, caller.person.name, limit)


@router.get("/suggestions/mine")
def show_mine(caller: Viewer) -> PersonInteractions:
    """All that is kept about the caller in the project."""
    return _interactions(caller).of(caller.person.name)


@router.delete("/suggestions/mine", status_code=204)
def forget_mine(caller: Viewer) -> None:
    """Delete all that is kept about the caller in the project."""
    _interactions(caller).forget(caller.person.name)


@router.get("/artifacts/{artifact}/goes-with")
def suggest_beside(caller: Viewer, artifact: Identity, limit: Limit = 10) -> Suggestions:
    """What goes with an artifact: what is like it, and what those who chose it chose, too."""
    sha256 = caller.space.records.resolve(artifact).artifact.sha256
    return caller.services.suggester.beside(caller.space, sha256, limit)


@router.post("/artifacts/{artifact}/interactions", status_code=204)
@starts_no_job
def keep_interaction(caller: Viewer, artifact: Identity, noted: Noted) -> None:
    """Keep what the caller did in a program of their own, as the gallery does; nothing where the project keeps none."""
    sha256 = caller.space.records.resolve(artifact).artifact.sha256
    _interactions(caller).note(caller.person.name, sha256, noted.action)


def _interactions(caller: Caller) -> Interactions:
    return Interactions(caller.services.platform.bucket, caller.project)
