"""Review pictures: show generated or stored ones, wait for a person's choice, and keep it as labels.

The run is suspended while it waits, so it occupies no process. When resumed it starts from the top, and finds every
picture under its recipe.
"""

import asyncio
from collections.abc import Sequence
from types import GenericAlias
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.flow_runs import asuspend_flow_run
from prefect.input import RunInput
from pydantic import BaseModel, Field, create_model

from flows.generate_images import generate_pictures
from flows.library.labelling import update_labels
from flows.library.markdown import pictures_page
from flows.running.content_forms import PictureOrder
from flows.running.context import RunContext
from flows.running.errors import NothingToDo
from flows.running.form import Form, project_field, seed_field
from flows.running.prefect_context import run_as_flow
from flows.running.prefect_runs import current_flow_run
from storage.records import ArtifactRecord

SELECTED, REJECTED = "selected", "rejected"
"""The labels that a review sets. A picture has at most one of them: the latest."""
_TIMEOUT_SECONDS = 14 * 24 * 3600
_MAX_COUNT = 24


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
    count: int = Field(default=4, title="How many", description="How many new pictures to make.", ge=1, le=_MAX_COUNT)
    seed: int = seed_field()
    pictures: list[str] = Field(
        default=[], title="Stored pictures", description="Their ids, instead of a prompt.", max_length=_MAX_COUNT
    )
    label: str = Field(
        default="",
        title="Stored pictures with this label",
        description=f"The newest {_MAX_COUNT} with it, instead of a prompt or ids.",
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
    """Collect the pictures, suspend until a person has chosen, and label them."""
    records = await _collect_pictures(context, wanted)
    title = wanted.prompt or wanted.label or "Pictures to review"
    await context.show("pictures", await asyncio.to_thread(pictures_page, context.space, title, records))
    artifacts = {f"{number}. {record.name}": record.artifact.sha256 for number, record in enumerate(records, 1)}
    chosen: Any = await asuspend_flow_run(wait_for_input=_choice_form(list(artifacts)), timeout=_TIMEOUT_SECONDS)
    selected = [artifacts[name] for name in chosen.select]
    rejected = [each for each in artifacts.values() if each not in selected] if chosen.reject_others else []
    await asyncio.to_thread(_label_choice, context, selected, rejected)
    return ReviewReport(selected=selected, rejected=rejected)


async def _collect_pictures(context: RunContext, wanted: PicturesToReview) -> list[ArtifactRecord]:
    if wanted.prompt:
        order = PictureOrder.model_validate(wanted.model_dump(include={"prompt", "style", "count", "seed", "project"}))
        identities = [made.artifact for made in (await generate_pictures(context, order)).images]
    elif wanted.label:
        identities = await asyncio.to_thread(_pictures_with_label, context, wanted.label)
    else:
        identities = wanted.pictures
    fixed = await asyncio.to_thread(_fix_pictures, context, identities) if identities else []
    records = [await asyncio.to_thread(context.space.records.resolve, identity) for identity in fixed]
    pictures = [record for record in records if record.kind == "image"]
    if not pictures:
        raise NothingToDo("There are no pictures to review: write a prompt, or name stored pictures or their label.")
    return pictures


def _fix_pictures(context: RunContext, identities: Sequence[str]) -> list[str]:
    """Store which pictures the run shows, once; a resumed run gets the same ones, whatever their labels are by then."""
    run = current_flow_run()
    assert run is not None
    return context.space.refs.update(f"reviews/{run.id}", lambda shown: shown or list(identities))


def _pictures_with_label(context: RunContext, label: str) -> list[str]:
    page = context.space.library.page(context.space.project, kinds=["image"], labels=[label], limit=_MAX_COUNT)
    return [row.artifact for row in page.rows]


def _choice_form(names: Sequence[str]) -> type[RunInput]:
    """Build the form that resumes the run: which of the pictures to select."""
    names_type: Any = GenericAlias(list, (Literal[tuple(names)],))
    choice = create_model(
        "Choice",
        __base__=RunInput,
        select=(
            names_type,
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
    return choice.with_initial_data(
        description="The numbers are those of the contact sheet: it stands among the artifacts of this run."
    )


def _label_choice(context: RunContext, selected: Sequence[str], rejected: Sequence[str]) -> None:
    for artifact in selected:
        update_labels(context.space, artifact, add=[SELECTED], remove=[REJECTED])
    for artifact in rejected:
        update_labels(context.space, artifact, add=[REJECTED], remove=[SELECTED])
