"""/api/classify and /api/datasets: labels for texts and artifacts, and the datasets of a project."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from flows.learning.datasets import datasets_of
from flows.library.classification.asking import ClassificationOrder, ClassificationReport, classify
from flows.library.classification.uncertain import Uncertain, least_certain
from flows.running.context import local_context
from gateway.http.access import Viewer
from training.datasets.versions import DatasetVersion

router = APIRouter(prefix="/api", tags=["Learning"])


class DatasetsListed(BaseModel):
    """The datasets of a project, each with its newest version."""

    datasets: dict[str, DatasetVersion]


@router.post("/classify")
async def classify_at_once(caller: Viewer, order: ClassificationOrder) -> ClassificationReport:
    """Say which label texts or stored artifacts have: by a classifier, or by the meaning of labels."""
    scoped = caller.in_project(order.project if "project" in order.model_fields_set else None)
    async with scoped.services.query_embeddings.embedding_slots:
        return await classify(local_context(scoped.space), order)


@router.get("/uncertain")
def list_uncertain(caller: Viewer, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> dict[str, list[Uncertain]]:
    """What each classifier is least certain about, the least certain first; a label of a person ends it."""
    return least_certain(caller.space, limit)


@router.get("/datasets")
def list_datasets(caller: Viewer) -> DatasetsListed:
    """The datasets of the project; the deployment `create-dataset` makes a version."""
    datasets = datasets_of(caller.space)
    return DatasetsListed(datasets={name: datasets.versions(name)[0] for name in datasets.names()})
