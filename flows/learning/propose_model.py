"""Retrain from what people labelled since, and propose the version: a person publishes it, or does not."""

import asyncio
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel, Field

from flows.learning.create_dataset import DatasetOrder, create
from flows.learning.publication import Publication, propose_trained
from flows.learning.train_model import TrainingOrder, short_name, train
from flows.running.context import RunContext
from flows.running.form import Form, project_field
from flows.running.prefect_context import run_as_flow
from modalities.models.published import PublishedModels


class Retraining(Form):
    """Which classifier to train again, from what."""

    recipe: str = Field(
        default="picture-classification", title="Recipe", description="One of configs/learning.yaml.", max_length=64
    )
    dataset: str = Field(
        title="Dataset", description="Gets a new version if labels have changed.", pattern=r"^[a-z0-9][a-z0-9-]{0,40}$"
    )
    source: str = Field(
        default="labels", title="From", description="labels, reviews or collection:NAME.", max_length=1000
    )
    labels: list[str] = Field(
        default=[], title="Labels", description="The labels that are the classes; empty for all.", max_length=200
    )
    model: str = Field(
        default="", title="Model", description="What it is called; empty for the name of the dataset.", max_length=41
    )
    project: str = project_field()


class ProposalReport(BaseModel):
    """The proposed version and what the gate said; None if there was nothing new to learn."""

    dataset: str
    proposal: Publication | None
    model: str

    def __str__(self) -> str:
        if self.proposal is None or self.proposal.gate is None:
            return f"Nothing has changed in {self.dataset[:80]} since its last version."
        version = self.proposal.version[:12]
        return f"{self.proposal.gate} To publish it: `triptych publish {self.model} --version {version}`."


@flow(name="propose-model")
async def propose_model(retraining: Retraining) -> State[Any]:
    """Make the next dataset version, train on it, and compare; nothing is published."""
    return await run_as_flow(retraining.project, lambda context: propose(context, retraining))


async def propose(context: RunContext, retraining: Retraining) -> ProposalReport:
    """Propose under the alias `proposed`, which no worker uses."""
    platform, project = context.space.platform, retraining.project
    made = await create(
        context,
        DatasetOrder(name=retraining.dataset, source=retraining.source, labels=retraining.labels, project=project),
    )
    version = f"{retraining.dataset}@{made.digest}"
    order = TrainingOrder(recipe=retraining.recipe, dataset=version, model=retraining.model, project=project)
    name = short_name(order.trained)
    known = await asyncio.to_thread(PublishedModels(platform.bucket).versions, order.trained)
    if any(each.facts.get("dataset") == version for each in known):
        return ProposalReport(dataset=version, proposal=None, model=name)
    await train(context, order)
    proposal = await asyncio.to_thread(propose_trained, platform, order.trained)
    report = ProposalReport(dataset=version, proposal=proposal, model=name)
    await context.show("proposal", str(report))
    return report
