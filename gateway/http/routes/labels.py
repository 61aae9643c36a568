"""/api/labels and the labels of an artifact: count, add and remove them."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from flows.library.labelling import update_labels
from gateway.http.access import Maker, Viewer
from gateway.http.routes.artifacts import Identity
from storage.labels import Label

router = APIRouter(prefix="/api", tags=["Artifacts"])
Labels = Annotated[list[Label], Field(max_length=100)]


class Relabelling(BaseModel):
    """The labels to add and to remove."""

    model_config = ConfigDict(extra="forbid")

    add: Labels = []
    remove: Labels = []


class LabelsNow(BaseModel):
    """The labels of an artifact after the change."""

    labels: list[str]


@router.get("/labels")
def count_labels(caller: Viewer) -> dict[str, int]:
    """The labels in use, each with the number of artifacts that have it."""
    return caller.space.library.labels(caller.project)


@router.post("/artifacts/{artifact}/labels")
def change_labels(caller: Maker, artifact: Identity, change: Relabelling) -> LabelsNow:
    """Add labels to an artifact and remove others."""
    sha256 = caller.space.records.resolve(artifact).artifact.sha256
    return LabelsNow(labels=list(update_labels(caller.space, sha256, change.add, change.remove)))
