"""Train a model by one of the training recipes, in the work pool `train`."""

import asyncio
import math
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel, Field

from flows.running.context import RunContext
from flows.running.form import Form, project_field
from flows.running.prefect_context import run_as_flow
from flows.running.settings import ROOT
from training.pipeline import MODEL
from training.recipes import load_recipe
from training.run import Estimate, describe, train_recipe

_TRAINING_SHARE = 0.95
"""Progress of the run when training is done; evaluation takes the rest."""


class TrainingOrder(Form):
    """Which model to train, on what, and for how long."""

    recipe: str = Field(title="Recipe", description="icons, or a model of configs/translation.yaml.", max_length=64)
    data: str = Field(
        default="",
        title="Data",
        description="A folder where it trains: sentence pairs, or pictures with captions. Empty: the recipe's own.",
        max_length=1000,
    )
    minutes: float = Field(
        default=0.0, title="Minutes", description="Stop after so many; 0 trains to the end.", ge=0, le=100_000
    )
    resume: bool = Field(default=True, title="Resume", description="Go on from the last checkpoint, if there is one.")
    project: str = project_field()


class TrainingReport(BaseModel):
    """The folder of the trained model, and its metrics."""

    recipe: str
    folder: str
    measured: dict[str, float]

    def __str__(self) -> str:
        return f"{self.recipe} is trained and measured; `triptych publish {self.recipe}` puts it to use."


@flow(name="train-model")
async def train_model(order: TrainingOrder) -> State[Any]:
    """Prepare the data, build the model, train, evaluate, and write weights and card to a folder."""
    return await run_as_flow(order.project, lambda context: train(context, order))


async def train(context: RunContext, order: TrainingOrder) -> TrainingReport:
    """Train in a thread, away from the event loop; show loss and time left beside the progress."""
    work = training_folder(context.space.platform.settings.home, order.recipe)
    estimate = Estimate()

    def progress(part: str, done: int, steps: int, loss: float) -> None:
        context.show_status(describe(part, done, steps, loss, estimate.seconds_left(part, done, steps)))
        context.progress(done / steps * _TRAINING_SHARE)

    measured = await asyncio.to_thread(
        train_recipe,
        load_recipe(order.recipe, ROOT / "configs"),
        work,
        data=Path(order.data) if order.data else None,
        resume=order.resume,
        minutes=order.minutes or math.inf,
        progress=progress,
        say=context.show_status,
    )
    await context.show("card", _page(work / MODEL, measured))
    return TrainingReport(recipe=order.recipe, folder=str(work / MODEL), measured=dict(measured))


def training_folder(home: Path, recipe: str) -> Path:
    """Return the folder of a training recipe's data, checkpoints and model."""
    return home / "training" / recipe


def _page(folder: Path, measured: Mapping[str, float]) -> str:
    rows = "\n".join(f"| {name} | {value:g} |" for name, value in measured.items())
    plot = b64encode((folder / "losses.png").read_bytes()).decode()
    return f"| measured | |\n|---|---|\n{rows}\n\n![losses](data:image/png;base64,{plot})\n"
