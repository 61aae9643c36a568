"""Label what is there by a classifier of the project, and say whether it labels what comes in."""

import asyncio
from collections import Counter
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.library.classification.automatic import AutoLabels, label_automatically, labelling_classifier, use_at_ingest
from flows.running.context import RunContext
from flows.running.form import Form, project_field
from flows.running.prefect_context import run_as_flow

_CHUNK = 200


class AutoLabelling(Form):
    """Which classifier labels what."""

    classifier: str = Field(title="Classifier", description="A published classifier of the project.", max_length=41)
    least: float = Field(
        default=0.0, title="Probability at least", description="0 for the classifier's own threshold.", ge=0, le=1
    )
    at_ingest: Literal["as it is", "on", "off"] = Field(
        default="as it is", title="What comes in", description="on: it labels new files, too, from now on."
    )
    project: str = project_field()


@flow(name="auto-label")
async def auto_label(labelling: AutoLabelling) -> State[Any]:
    """Put `auto:` labels with their probabilities on what is there."""
    return await run_as_flow(labelling.project, lambda context: label_library(context, labelling))


async def label_library(context: RunContext, labelling: AutoLabelling) -> AutoLabels:
    """Classify everything in chunks: a run that is repeated finds its answers under their recipes."""
    space = context.space
    space.platform.pool.refresh()
    await asyncio.to_thread(labelling_classifier, space, labelling.classifier)
    if labelling.at_ingest != "as it is":
        await asyncio.to_thread(use_at_ingest, space, labelling.classifier, labelling.at_ingest == "on")
    records, _ = await asyncio.to_thread(space.records.read_all)
    total = AutoLabels()
    for start in range(0, len(records), _CHUNK):
        chunk = records[start : start + _CHUNK]
        total = _sum(total, await label_automatically(context, labelling.classifier, chunk, labelling.least or None))
        context.progress((start + len(chunk)) / len(records))
    await context.show("labels", str(total))
    return total


def _sum(one: AutoLabels, other: AutoLabels) -> AutoLabels:
    return AutoLabels(
        classified=one.classified + other.classified,
        labelled=dict(Counter(one.labelled) + Counter(other.labelled)),
        unsure=one.unsure + other.unsure,
        of_people=one.of_people + other.of_people,
        failed=one.failed + other.failed,
    )
