"""Train a model by one of the training recipes, in the work pool `train`."""

import asyncio
import math
import shutil
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel, Field

from flows.learning.datasets import fetch_dataset
from flows.learning.encoders import encoder_model, link_base
from flows.learning.folders import training_folder
from flows.library.classification.classifiers import FAMILY, project_model
from flows.running.context import RunContext
from flows.running.form import Form, project_field
from flows.running.prefect_context import run_as_flow
from flows.running.settings import ROOT
from training.datasets.folder import DATASET
from training.pipeline import MODEL
from training.recipes import learns_from_datasets, load_recipe
from training.run import Estimate, describe, train_recipe

_CONFIGS = ROOT / "configs"
_TRAINING_SHARE = 0.95
"""Progress of the run when training is done; evaluation takes the rest."""


class TrainingOrder(Form):
    """Which model to train, on what, and for how long."""

    recipe: str = Field(
        title="Recipe",
        description="icons, a model of configs/translation.yaml, or a recipe of configs/learning.yaml.",
        max_length=64,
    )
    dataset: str = Field(
        default="",
        title="Dataset",
        description="For recipes of configs/learning.yaml: NAME, or NAME@DIGEST for an earlier version.",
        max_length=130,
    )
    model: str = Field(
        default="", title="Model", description="What to call it; empty for the name of the dataset.", max_length=41
    )
    encoder: str = Field(
        default="",
        title="Encoder",
        description="Of texts: one of the catalogue, or of text-pretraining by its name. Empty: the recipe's own.",
        max_length=130,
    )
    data: str = Field(
        default="",
        title="Data",
        description="A folder where it trains: sentence pairs, pictures with captions, texts. Empty: the recipe's own.",
        max_length=1000,
    )
    minutes: float = Field(
        default=0.0, title="Minutes", description="Stop after so many; 0 trains to the end.", ge=0, le=100_000
    )
    resume: bool = Field(default=True, title="Resume", description="Go on from the last checkpoint, if there is one.")
    project: str = project_field()

    @property
    def trained(self) -> str:
        """The name of the model that is trained: the recipe's, or that of a classifier or encoder of the project."""
        if not learns_from_datasets(self.recipe, _CONFIGS):
            return self.recipe
        family = getattr(load_recipe(self.recipe, _CONFIGS), "family", FAMILY)
        return project_model(family, self.project, self.model or self.dataset.partition("@")[0] or self.recipe)


class TrainingReport(BaseModel):
    """The folder of the trained model, and its metrics."""

    recipe: str
    folder: str
    measured: dict[str, float]
    model: str = ""

    def __str__(self) -> str:
        return f"{self.recipe} is trained and measured; `triptych publish {self.model}` puts it to use."


def short_name(model: str) -> str:
    """What commands call a model: NAME for the classifier.PROJECT.NAME of a project, else its whole name."""
    return model.rpartition(".")[2] if model.startswith(f"{FAMILY}.") else model


@flow(name="train-model")
async def train_model(order: TrainingOrder) -> State[Any]:
    """Prepare the data, build the model, train, evaluate, and write weights and card to a folder."""
    return await run_as_flow(order.project, lambda context: train(context, order))


async def train(context: RunContext, order: TrainingOrder) -> TrainingReport:
    """Train in a thread, away from the event loop; show loss and time left beside the progress."""
    work = training_folder(context.space.platform.settings.home, order.trained)
    encoder = await asyncio.to_thread(encoder_model, context.space, order.encoder) if order.encoder else ""
    recipe = load_recipe(order.recipe, _CONFIGS, encoder)
    if base := getattr(recipe, "base", ""):
        await asyncio.to_thread(link_base, context.space, base, work)
    if order.data and not order.dataset:
        await asyncio.to_thread(_forget, work / DATASET)
    if order.dataset:
        await fetch_dataset(context, order.dataset, work / DATASET, getattr(recipe, "encoder", ""))
    estimate = Estimate()

    def progress(part: str, done: int, steps: int, loss: float) -> None:
        context.show_status(describe(part, done, steps, loss, estimate.seconds_left(part, done, steps)))
        context.progress(done / steps * _TRAINING_SHARE)

    measured = await asyncio.to_thread(
        train_recipe,
        recipe,
        work,
        data=Path(order.data) if order.data else None,
        resume=order.resume,
        minutes=order.minutes or math.inf,
        progress=progress,
        say=context.show_status,
    )
    await context.show("card", _page(work / MODEL, measured))
    return TrainingReport(
        recipe=order.recipe,
        folder=str(work / MODEL),
        measured=dict(measured),
        model=short_name(order.trained),
    )


def _forget(dataset: Path) -> None:
    """Remove the dataset of an earlier training under the same name: this one is on other data."""
    if dataset.is_symlink():
        dataset.unlink()
    elif dataset.exists():
        shutil.rmtree(dataset)


def _page(folder: Path, measured: Mapping[str, float]) -> str:
    rows = "\n".join(f"| {name} | {value:g} |" for name, value in measured.items())
    plots = [
        f"![{path.stem}](data:image/png;base64,{b64encode(path.read_bytes()).decode()})"
        for path in sorted(folder.glob("*.png"))
        if path.stem in ("losses", "confusion", "calibration", "ratings")
    ]
    return f"| measured | |\n|---|---|\n{rows}\n\n{' '.join(plots)}\n"
