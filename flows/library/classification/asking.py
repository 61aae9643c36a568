"""Classify texts and stored artifacts on request, by a classifier or by the meaning of labels; nothing is stored."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from flows.library.classification.automatic import loaded_classifier
from flows.library.classification.explaining import explain_picture
from flows.library.classification.vectors import picture_vectors, text_of, text_vectors
from flows.library.inputs import resolve_input
from flows.running.context import RunContext
from flows.running.form import Form, project_field
from modalities.classification.attribution import Explanation, log_odds, word_effects
from modalities.classification.fine_tuned import FineTuned
from modalities.classification.head import Head, HeadFacts
from modalities.classification.requests import Classified, Rated, classified
from modalities.embedding.requests import Vectors
from modalities.errors import InvalidRequest, ModelUnavailable
from storage.records import ArtifactRecord

_MOST_EXPLAINED = 20
_Kind = Literal["texts", "pictures"]
_LabelScores = Callable[[int, Sequence[str]], NDArray[np.float64]]
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
    why: bool = Field(
        default=False, title="Why", description="Which words or regions made each answer; for 20 at most."
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
        if self.why and len(self.texts) + len(self.artifacts) > _MOST_EXPLAINED:
            raise ValueError(f"answers are explained for {_MOST_EXPLAINED} texts or artifacts at most")
        return self


class ClassificationReport(BaseModel):
    """The results, of the texts first and of the artifacts then, in order. Classifiers of ratings give numbers."""

    results: list[Classified | Rated]
    why: list[Explanation] = []
    """What made each result, if that was asked."""


async def classify(context: RunContext, order: ClassificationOrder) -> ClassificationReport:
    """Answer with the models of this process. Raises ModelUnavailable, InvalidRequest, ArtifactNotFound."""
    if order.labels:
        return await _by_meaning(context, order)
    context.space.platform.pool.refresh()
    loaded = await asyncio.to_thread(loaded_classifier, context.space, order.classifier)
    if isinstance(loaded, FineTuned):
        return await _by_reading(context, loaded, order)
    return await _by_head(context, loaded, order)


async def _by_reading(context: RunContext, model: FineTuned, order: ClassificationOrder) -> ClassificationReport:
    """The answers of a fine-tuned encoder for texts and for the texts of artifacts."""
    texts = [*order.texts, *await _texts_of(context, order.artifacts)]
    results = await asyncio.to_thread(model.answers, [(text, "") for text in texts])

    def scores(label: int, variants: Sequence[str]) -> NDArray[np.float64]:
        given = [(text, "") for text in variants]
        return model.ratings(given) if model.facts.rates else log_odds(model.probabilities(given)[:, label])

    why = await _explain_texts(texts, results, model.facts.labels, scores) if order.why else []
    return ClassificationReport(results=list(results), why=why)


async def _by_head(context: RunContext, head: Head, order: ClassificationOrder) -> ClassificationReport:
    """The answers of a linear head for what its encoder makes vectors of."""
    facts, space = head.facts, context.space
    if space.platform.find_vector_space(facts.encoder) != facts.space:
        raise ModelUnavailable(f"The encoder {facts.encoder} has changed: train {order.classifier} again.")
    if facts.kind == "pictures":
        if order.texts:
            name = order.classifier
            raise InvalidRequest(f"The classifier {name} is one of pictures: give artifacts that are pictures.")
        return await _of_pictures(context, head, order)
    texts = [*order.texts, *await _texts_of(context, order.artifacts)]
    rows = head.probabilities(np.stack(await _of_texts(context, facts.encoder, texts)))
    results = [classified(facts.labels, row, facts.threshold) for row in rows]

    def scores(label: int, variants: Sequence[str]) -> NDArray[np.float64]:
        return log_odds(head.probabilities(np.stack(text_vectors(space, facts.encoder, variants)))[:, label])

    why = await _explain_texts(texts, results, facts.labels, scores) if order.why else []
    return ClassificationReport(results=list(results), why=why)


async def _of_pictures(context: RunContext, head: Head, order: ClassificationOrder) -> ClassificationReport:
    """The answers of a linear head for stored pictures. Raises InvalidRequest for what cannot be read as one."""
    facts, space = head.facts, context.space
    records = await _records(context, order.artifacts, pictures=True)
    vectors = await picture_vectors(context, records)
    missing = next((r for r in records if r.artifact.sha256 not in vectors), None)
    if missing:
        raise InvalidRequest(f"{missing.name} cannot be read as a picture.")
    rows = head.probabilities(np.stack([vectors[record.artifact.sha256] for record in records]))
    results = [classified(facts.labels, row, facts.threshold) for row in rows]
    why: list[Explanation] = []
    for record, row in zip(records if order.why else [], rows, strict=False):
        label = int(row.argmax())
        why.append(await asyncio.to_thread(explain_picture, space, record, facts.encoder, head.weight, row, label))
    return ClassificationReport(results=list(results), why=why)


async def _by_meaning(context: RunContext, order: ClassificationOrder) -> ClassificationReport:
    """Each text or artifact by the nearest label: by a head whose weights are the vectors of the labels."""
    space = context.space
    heads: dict[_Kind, Head] = {}
    parts: list[tuple[_Kind, dict[str, list[str]]]] = []
    if order.texts:
        parts.append(("texts", {"texts": order.texts, "artifacts": []}))
    for identity in order.artifacts:
        kind = "pictures" if resolve_input(space, identity).kind == "image" else "texts"
        parts.append((kind, {"texts": [], "artifacts": [identity]}))
    report = ClassificationReport(results=[])
    for kind, part in parts:
        if kind not in heads:
            heads[kind] = await _zero_shot_head(context, kind, order.labels)
        found = await _by_head(context, heads[kind], order.model_copy(update=part))
        report = ClassificationReport(results=report.results + found.results, why=report.why + found.why)
    return report


async def _zero_shot_head(context: RunContext, kind: _Kind, labels: Sequence[str]) -> Head:
    """A head that was not trained: the logit of a label is the slope of the encoder times the cosine."""
    space, profile = context.space, context.space.profile
    model = profile.pictures if kind == "pictures" else profile.passages
    calibration = space.catalogue.spec(model).calibration
    facts = HeadFacts(
        kind=kind,
        labels=tuple(labels),
        encoder=model,
        space=space.platform.vector_space(model),
        temperature=1 / (calibration.slope if calibration else _SLOPE),
        threshold=0.0,
        dataset="",
    )
    of_labels = np.stack(await _of_texts(context, model, labels)).astype(np.float32)
    return Head(facts, of_labels, np.zeros(len(labels), np.float32))


async def _explain_texts(
    texts: Sequence[str], results: Sequence[Classified | Rated], labels: Sequence[str], scores: _LabelScores
) -> list[Explanation]:
    """Which words made the answer for each text; `scores` are those of a label, by its number."""

    def explain(text: str, result: Classified | Rated) -> Explanation:
        label = labels.index(result.label) if isinstance(result, Classified) else 0
        return Explanation(words=word_effects(text, partial(scores, label)))

    found = zip(texts, results, strict=True)
    return [await asyncio.to_thread(explain, text, result) for text, result in found]


async def _of_texts(context: RunContext, model: str, texts: Sequence[str]) -> list[Vectors]:
    return await asyncio.to_thread(text_vectors, context.space, model, texts) if texts else []


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
