"""Classify texts and stored artifacts on request, by a classifier or by the meaning of labels; nothing is stored."""

import asyncio
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, Field, model_validator

from flows.library.classification.automatic import loaded_classifier
from flows.library.classification.vectors import picture_vectors, text_of, text_vectors
from flows.library.inputs import resolve_input
from flows.running.context import RunContext
from flows.running.form import Form, project_field
from modalities.classification.fine_tuned import FineTuned
from modalities.classification.requests import Classified, Rated, classified, zero_shot
from modalities.embedding.requests import Vectors
from modalities.errors import InvalidRequest, ModelUnavailable
from storage.records import ArtifactRecord

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
    """The results, of the texts first and of the artifacts then, in order. Classifiers of ratings give numbers."""

    results: list[Classified | Rated]


async def classify(context: RunContext, order: ClassificationOrder) -> ClassificationReport:
    """Answer with the models of this process. Raises ModelUnavailable, InvalidRequest, ArtifactNotFound."""
    if order.labels:
        return ClassificationReport(results=await _by_meaning(context, order))
    context.space.platform.pool.refresh()
    loaded = await asyncio.to_thread(loaded_classifier, context.space, order.classifier)
    if isinstance(loaded, FineTuned):
        return ClassificationReport(results=await _by_reading(context, loaded, order))
    facts = loaded.facts
    if context.space.platform.find_vector_space(facts.encoder) != facts.space:
        raise ModelUnavailable(f"The encoder {facts.encoder} has changed: train {order.classifier} again.")
    if order.texts and facts.kind == "pictures":
        raise InvalidRequest(f"The classifier {order.classifier} is one of pictures: give artifacts that are pictures.")
    rows = [*await _of_texts(context, facts.encoder, order.texts)]
    rows += await _of_artifacts(context, facts.encoder, order.artifacts, pictures=facts.kind == "pictures")
    probabilities = loaded.probabilities(np.stack(rows))
    return ClassificationReport(results=[classified(facts.labels, row, facts.threshold) for row in probabilities])


async def _by_reading(context: RunContext, model: FineTuned, order: ClassificationOrder) -> list[Classified | Rated]:
    """The answers of a fine-tuned encoder for texts and for the texts of artifacts."""
    texts = [*order.texts, *await _texts_of(context, order.artifacts)]
    return [*await asyncio.to_thread(model.answers, [(text, "") for text in texts])]


async def _by_meaning(context: RunContext, order: ClassificationOrder) -> list[Classified | Rated]:
    profile = context.space.profile
    results: list[Classified | Rated] = []
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
    return await asyncio.to_thread(text_vectors, context.space, model, texts) if texts else []


async def _of_artifacts(context: RunContext, model: str, identities: Sequence[str], *, pictures: bool) -> list[Vectors]:
    """The vectors of stored artifacts, in order. Raises InvalidRequest for one that has none."""
    if not pictures:
        return await _of_texts(context, model, await _texts_of(context, identities))
    records = await _records(context, identities, pictures=True)
    vectors = await picture_vectors(context, records)
    missing = next((r for r in records if r.artifact.sha256 not in vectors), None)
    if missing:
        raise InvalidRequest(f"{missing.name} cannot be read as a picture.")
    return [vectors[record.artifact.sha256] for record in records]


async def _texts_of(context: RunContext, identities: Sequence[str]) -> list[str]:
    """The texts of stored artifacts, in order. Raises InvalidRequest for a picture."""
    records = await _records(context, identities, pictures=False)
    return [await asyncio.to_thread(text_of, context.space, record) for record in records]


async def _records(context: RunContext, identities: Sequence[str], *, pictures: bool) -> list[ArtifactRecord]:
    """The records of artifacts that are all pictures, or all none. Raises InvalidRequest."""
    records = [await asyncio.to_thread(context.space.records.resolve, identity) for identity in identities]
    wrong = next((record for record in records if (record.kind == "image") != pictures), None)
    if wrong:
        raise InvalidRequest(
            f"{wrong.name} is {'no picture' if pictures else 'a picture'}: this classifies the others."
        )
    return records
