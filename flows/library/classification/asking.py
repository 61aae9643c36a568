"""Classify texts and stored artifacts on request, by a classifier or by the meaning of labels; nothing is stored."""

import asyncio
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, Field, model_validator

from flows.library.classification.automatic import head_of
from flows.library.classification.vectors import picture_vectors, text_of
from flows.library.inputs import resolve_input
from flows.running.context import RunContext
from flows.running.form import Form, project_field
from flows.running.platform import Space
from modalities.classification.requests import Classified, classified, zero_shot
from modalities.embedding.requests import Embedding, EmbedText, Vectors, read_vector
from modalities.errors import InvalidRequest, ModelUnavailable

_SLOPE = 30.0
"""Of labels by their meaning, for an encoder whose entry has no calibration."""


class ClassificationOrder(Form):
    """What to classify, by which classifier, or by which labels if there is none."""

    classifier: str = Field(default="", title="Classifier", description="A published classifier.", max_length=41)
    labels: list[str] = Field(
        default=[], title="Labels", description="Instead of a classifier: told apart by meaning.", max_length=100
    )
    texts: list[str] = Field(default=[], title="Texts", description="What to classify.", max_length=1000)
    artifacts: list[str] = Field(
        default=[], title="Artifacts", description="Ids of stored pictures or texts.", max_length=1000
    )
    project: str = project_field()

    @model_validator(mode="after")
    def _is_complete(self) -> "ClassificationOrder":
        if bool(self.classifier) == bool(self.labels):
            raise ValueError("name a classifier, or two labels or more")
        if len(self.labels) == 1:
            raise ValueError("name two labels or more")
        if not self.texts and not self.artifacts:
            raise ValueError("give texts or artifacts to classify")
        return self


class ClassificationReport(BaseModel):
    """The results, of the texts first and of the artifacts then, in order."""

    results: list[Classified]


async def classify(context: RunContext, order: ClassificationOrder) -> ClassificationReport:
    """Answer with the models of this process. Raises ModelUnavailable, InvalidRequest, ArtifactNotFound."""
    if order.labels:
        return ClassificationReport(results=await _by_meaning(context, order))
    context.space.platform.pool.refresh()
    head = (await asyncio.to_thread(head_of, context.space, order.classifier)).head
    facts = head.facts
    if context.space.platform.find_vector_space(facts.encoder) != facts.space:
        raise ModelUnavailable(f"The encoder {facts.encoder} has changed: train {order.classifier} again.")
    if order.texts and facts.kind == "pictures":
        raise InvalidRequest(f"The classifier {order.classifier} is one of pictures: give artifacts that are pictures.")
    rows = [*await _of_texts(context, facts.encoder, order.texts)]
    rows += await _of_artifacts(context, facts.encoder, order.artifacts, pictures=facts.kind == "pictures")
    probabilities = head.probabilities(np.stack(rows))
    return ClassificationReport(results=[classified(facts.labels, row, facts.threshold) for row in probabilities])


async def _by_meaning(context: RunContext, order: ClassificationOrder) -> list[Classified]:
    profile = context.space.profile
    results: list[Classified] = []
    if order.texts:
        rows = await _of_texts(context, profile.passages, order.texts)
        results += await _zero_shot(context, profile.passages, order.labels, rows)
    for identity in order.artifacts:
        is_picture = resolve_input(context.space, identity).kind == "image"
        model = profile.pictures if is_picture else profile.passages
        rows = await _of_artifacts(context, model, [identity], pictures=is_picture)
        results += await _zero_shot(context, model, order.labels, rows)
    return results


async def _zero_shot(
    context: RunContext, model: str, labels: Sequence[str], rows: Sequence[Vectors]
) -> list[Classified]:
    calibration = context.space.catalogue.spec(model).calibration
    slope = calibration.slope if calibration else _SLOPE
    of_labels = await _of_texts(context, model, labels)
    return zero_shot(labels, np.stack(rows), np.stack(of_labels), slope)


async def _of_texts(context: RunContext, model: str, texts: Sequence[str]) -> list[Vectors]:
    return await asyncio.to_thread(_encode, context.space, model, texts) if texts else []


def _encode(space: Space, model: str, texts: Sequence[str]) -> list[Vectors]:
    answers, scratch = space.answers.run_unkept([EmbedText(model=model, text=text) for text in texts])
    rows: list[Vectors] = []
    for answer in answers:
        if not isinstance(answer, Embedding):
            raise InvalidRequest(str(answer))
        rows.append(read_vector(scratch, answer))
    return rows


async def _of_artifacts(context: RunContext, model: str, identities: Sequence[str], *, pictures: bool) -> list[Vectors]:
    """The vectors of stored artifacts, in order. Raises InvalidRequest for one that has none."""
    space = context.space
    records = [await asyncio.to_thread(space.records.resolve, identity) for identity in identities]
    wrong = next((r for r in records if (r.kind == "image") != pictures), None)
    if wrong:
        raise InvalidRequest(
            f"{wrong.name} is {'no picture' if pictures else 'a picture'}: this classifies the others."
        )
    if not pictures:
        return await _of_texts(context, model, [await asyncio.to_thread(text_of, space, r) for r in records])
    vectors = await picture_vectors(context, records)
    missing = next((r for r in records if r.artifact.sha256 not in vectors), None)
    if missing:
        raise InvalidRequest(f"{missing.name} cannot be read as a picture.")
    return [vectors[record.artifact.sha256] for record in records]
