"""A review: pictures are made or taken, a person chooses, and the choice is kept as labels.

The run suspends while the person thinks: no process waits. When it is resumed it begins again from the top, and finds
every picture under its recipe.
"""

import asyncio
from collections.abc import Sequence
from types import GenericAlias
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from pydantic import BaseModel, Field, create_model

from flows.generate_images import generate_pictures
from flows.library.labelling import update_labels
from flows.running.content_forms import PictureOrder
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from flows.running.form import Form, project_field, seed_field
from flows.running.markdown import pictures_page
from flows.running.prefect_context import run_as_flow
from storage.records import ArtifactRecord

SELECTED, REJECTED = "selected", "rejected"
"""The labels that a review leaves; of a picture's, the last one stands."""
_THINKING_SECONDS = 14 * 24 * 3600
_MOST = 24


class PicturesToReview(Form):
    """Which pictures to look at: new ones, or some that are stored."""

    prompt: str = Field(
        default="",
        title="Prompt",
        description="What new pictures should show; empty to look at stored ones.",
        max_length=1000,
    )
    style: str = Field(
        default="", title="Style", description="A style word that the model knows; empty for none.", max_length=60
    )
    count: int = Field(default=4, title="How many", description="How many new pictures to make.", ge=1, le=_MOST)
    seed: int = seed_field()
    pictures: list[str] = Field(
        default=[], title="Stored pictures", description="Their ids, instead of a prompt.", max_length=_MOST
    )
    label: str = Field(
        default="",
        title="Stored pictures with this label",
        description=f"The newest {_MOST} with it, instead of a prompt or ids.",
        max_length=64,
    )
    project: str = project_field()


class ReviewReport(BaseModel):
    """The artifacts that were selected and those that were rejected."""

    selected: list[str]
    rejected: list[str]

    def __str__(self) -> str:
        return f"{len(self.selected)} selected, {len(self.rejected)} rejected."


@flow(name="review-images")
async def review_images(pictures: PicturesToReview) -> State[Any]:
    """Show pictures, wait for a person's choice, and keep it as the labels `selected` and `rejected`."""
    return await run_as_flow(pictures.project, lambda context: review(context, pictures))


async def review(context: RunContext, wanted: PicturesToReview) -> ReviewReport:
    """Gather the pictures, ask, and label them."""
    records = await _gathered(context, wanted)
    title = wanted.prompt or wanted.label or "Pictures to review"
    await context.show("pictures", await asyncio.to_thread(pictures_page, context.space, title, records))
    named = {f"{number}. {record.name}": record.artifact.sha256 for number, record in enumerate(records, 1)}
    chosen: Any = await asuspend_flow_run(wait_for_input=_question(list(named)), timeout=_THINKING_SECONDS)
    selected = [named[name] for name in chosen.select]
    rejected = [each for each in named.values() if each not in selected] if chosen.reject_others else []
    await asyncio.to_thread(_keep, context, selected, rejected)
    return ReviewReport(selected=selected, rejected=rejected)


async def _gathered(context: RunContext, wanted: PicturesToReview) -> list[ArtifactRecord]:
    if wanted.prompt:
        order = PictureOrder.model_validate(wanted.model_dump(include={"prompt", "style", "count", "seed", "project"}))
        identities = [made.artifact for made in (await generate_pictures(context, order)).images]
    elif wanted.label:
        identities = await asyncio.to_thread(_labelled, context, wanted.label)
    else:
        identities = wanted.pictures
    kept = await asyncio.to_thread(_remembered, context, identities) if identities else []
    records = [await asyncio.to_thread(context.space.records.resolve, identity) for identity in kept]
    pictures = [record for record in records if record.kind == "image"]
    if not pictures:
        raise NothingToDo("There are no pictures to review: write a prompt, or name stored pictures or their label.")
    return pictures


def _remembered(context: RunContext, identities: Sequence[str]) -> list[str]:
    """What this run showed before it was suspended, otherwise these: meanwhile other pictures may have the label."""
    flow_run_context = FlowRunContext.get()
    assert flow_run_context is not None
    assert flow_run_context.flow_run is not None
    return context.space.refs.update(f"reviews/{flow_run_context.flow_run.id}", lambda shown: shown or list(identities))


def _labelled(context: RunContext, label: str) -> list[str]:
    page = context.space.library.page(context.space.project, kinds=["image"], labels=[label], limit=_MOST)
    return [row.artifact for row in page.rows]


def _question(names: Sequence[str]) -> type[RunInput]:
    """The form that resumes the run: which of the pictures are good."""
    some_of_them: Any = GenericAlias(list, (Literal[tuple(names)],))
    asked = create_model(
        "Choice",
        __base__=RunInput,
        select=(
            some_of_them,
            Field(
                default=[],
                title="Select",
                description="The pictures that you want to keep.",
                json_schema_extra={"position": 0},
            ),
        ),
        reject_others=(
            bool,
            Field(
                default=True,
                title="Reject the others",
                description="Off: what is not selected keeps its labels.",
                json_schema_extra={"position": 1},
            ),
        ),
    )
    return asked.with_initial_data(
        description="The numbers are those of the contact sheet: it stands among the artifacts of this run."
    )


def _keep(context: RunContext, selected: Sequence[str], rejected: Sequence[str]) -> None:
    for artifact in selected:
        update_labels(context.space, artifact, add=[SELECTED], remove=[REJECTED])
    for artifact in rejected:
        update_labels(context.space, artifact, add=[REJECTED], remove=[SELECTED])
