"""Put `auto:` labels on artifacts by the classifiers of a project, and keep what these predicted."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, TypeAdapter

from flows.library.classification.classifiers import classifier_model
from flows.library.classification.predictions import (
    Prediction,
    auto_label,
    keep_prediction,
    predictions_of,
    was_taken_off,
)
from flows.library.classification.vectors import picture_embeddings, text_of
from flows.library.labelling import update_labels
from flows.running.context import RunContext
from flows.running.platform import Space
from modalities.classification.classifier import Classifier
from modalities.classification.fine_tuned import FineTuned, FineTunedFacts
from modalities.classification.head import Head, HeadFacts
from modalities.classification.requests import Classified, Classify, ClassifyText
from modalities.embedding.requests import Embedding, EmbedText
from modalities.errors import InvalidRequest, ModelFault, ModelUnavailable
from storage.errors import RecordCorrupt
from storage.labels import TRASH
from storage.records import ArtifactRecord, Kind

_AT_INGEST = "classifiers"
"""The reference with the names of the classifiers that label what comes in."""
_NAMES = TypeAdapter(list[str])
_KINDS: dict[str, Kind] = {"pictures": "image", "texts": "text"}


class AutoLabels(BaseModel):
    """How many artifacts were classified, by what came of it."""

    classified: int = 0
    labelled: dict[str, int] = {}
    """By label: those that have its `auto:` label now."""
    unsure: int = 0
    """Below the least probability: none of the labels, or a person should look."""
    of_people: int = 0
    """Those that people labelled or corrected: they stay as they are."""
    failed: int = 0

    def __str__(self) -> str:
        labels = ", ".join(f"{count} {label}" for label, count in sorted(self.labelled.items())) or "none labelled"
        failed = f", {self.failed} failed" if self.failed else ""
        return (
            f"{self.classified} classified: {labels}; {self.unsure} not sure enough, "
            f"{self.of_people} labelled by people{failed}."
        )


def classifiers_at_ingest(space: Space) -> list[str]:
    """The names of the classifiers that label what comes in. Raises RecordCorrupt."""
    return space.refs.get_as(_AT_INGEST, _NAMES) or []


def use_at_ingest(space: Space, name: str, used: bool) -> None:
    """Say whether a classifier labels what comes in."""

    def changed(value: Any | None) -> Any:
        others = [each for each in value or [] if each != name]
        return [*others, name] if used else others

    space.refs.update(_AT_INGEST, changed)


def loaded_classifier(space: Space, name: str) -> Head | FineTuned:
    """The classifier of this name, loaded. Raises ModelUnavailable if none is published, or it is of another kind."""
    with space.platform.pool.operator(classifier_model(space.project, name)) as operator:
        if not isinstance(operator, Classifier):
            raise ModelUnavailable(f"{name} is no classifier of a recipe: see `classifier.*` in models.yaml.")
        return operator.loaded


def labelling_classifier(space: Space, name: str) -> Head | FineTuned:
    """The same. Raises InvalidRequest for one that gives texts a number, which is no label."""
    loaded = loaded_classifier(space, name)
    if isinstance(loaded, FineTuned) and loaded.facts.rates:
        raise InvalidRequest(f"{name} gives texts a number, and no label: `triptych classify --by {name}` shows it.")
    return loaded


async def label_new(context: RunContext, records: Sequence[ArtifactRecord]) -> None:
    """Label what has just come in. A classifier that cannot be used now leaves it to the flow `auto-label`."""
    try:
        for name in await asyncio.to_thread(classifiers_at_ingest, context.space):
            await label_automatically(context, name, records)
    except (ModelFault, InvalidRequest, RecordCorrupt) as error:
        context.show_status(f"Nothing is labelled: {error}")


async def label_automatically(
    context: RunContext, name: str, records: Sequence[ArtifactRecord], least: float | None = None
) -> AutoLabels:
    """Classify artifacts of the classifier's kind, and label them. Labels of people are never changed.

    `least` is the least probability, by default the classifier's own threshold. Raises ModelFault.
    """
    space = context.space
    space.platform.pool.refresh()
    facts = (await asyncio.to_thread(labelling_classifier, space, name)).facts
    version = space.platform.pool.digest(classifier_model(space.project, name))
    chosen = [record for record in records if record.kind == _KINDS.get(facts.kind)]
    answers = await _classify(context, name, facts, chosen)
    report = AutoLabels(classified=len(chosen))
    threshold = facts.threshold if least is None else least
    counts: Counter[str] = Counter()
    for record in chosen:
        answer = answers.get(record.artifact.sha256)
        outcome = "failed"
        with suppress(RecordCorrupt):  # its labels or predictions cannot be read: that of the others can
            if answer:
                outcome = await asyncio.to_thread(_apply, space, record, name, facts, answer, threshold, version)
        counts[outcome] += 1
    labelled = {label: count for label, count in counts.items() if label.startswith("auto:")}
    left = {field: counts[field] for field in ("unsure", "of_people", "failed")}
    return report.model_copy(update={"labelled": labelled, **left})


async def _classify(
    context: RunContext, name: str, facts: HeadFacts | FineTunedFacts, records: Sequence[ArtifactRecord]
) -> dict[str, Classified]:
    """The answers by artifact id, without those of artifacts that cannot be read."""
    model = classifier_model(context.space.project, name)
    requests: dict[str, Classify | ClassifyText]
    if isinstance(facts, FineTunedFacts):
        texts = await asyncio.to_thread(_texts, context.space, records)
        requests = {sha256: ClassifyText(model=model, text=text) for sha256, text in texts.items()}
    else:
        embeddings = await _embeddings(context, name, facts, records)
        requests = {
            sha256: Classify(model=model, vector=each.vector, dimension=each.dimension, space=facts.space)
            for sha256, each in embeddings.items()
        }
    answers = await context.answers(list(requests.values()))
    return {sha256: a for sha256, a in zip(requests, answers, strict=True) if isinstance(a, Classified)}


async def _embeddings(
    context: RunContext, name: str, facts: HeadFacts, records: Sequence[ArtifactRecord]
) -> dict[str, Embedding]:
    """The vectors that the classifier knows. Raises ModelUnavailable if its encoder is another one by now."""
    space = context.space
    if space.platform.find_vector_space(facts.encoder) != facts.space:
        raise ModelUnavailable(f"The encoder {facts.encoder} has changed since {name} was trained: train it again.")
    if facts.kind == "pictures":
        if space.profile.pictures != facts.encoder:
            raise ModelUnavailable(f"Pictures have vectors of {space.profile.pictures} by now: train {name} again.")
        return await picture_embeddings(context, records)
    texts = await asyncio.to_thread(_texts, space, records)
    answers = await context.answers([EmbedText(model=facts.encoder, text=text) for text in texts.values()])
    found = zip(texts, answers, strict=True)
    return {sha256: answer for sha256, answer in found if isinstance(answer, Embedding)}


def _texts(space: Space, records: Sequence[ArtifactRecord]) -> dict[str, str]:
    """The texts of artifacts by id, without those that cannot be read."""
    found = ((record.artifact.sha256, text_of(space, record)) for record in records)
    return {sha256: text for sha256, text in found if text}


def _apply(
    space: Space,
    record: ArtifactRecord,
    name: str,
    facts: HeadFacts | FineTunedFacts,
    answer: Classified,
    threshold: float,
    version: str,
) -> str:
    """Put the label on and keep the prediction; returns the label, or why there is none."""
    sha256 = record.artifact.sha256
    labels, before = space.labels.of(record), predictions_of(space, sha256).get(name)
    if TRASH in labels:
        return "of_people"
    autos = {label: auto_label(label) for label in facts.labels}
    is_of_people = any(label in labels for label in facts.labels) or (before and was_taken_off(before, labels))
    sure = answer.probability >= threshold and not is_of_people
    wanted = [autos[answer.label]] if sure else []
    stale = [auto for auto in autos.values() if auto in labels and auto not in wanted]
    if stale or not set(wanted) <= set(labels):
        update_labels(space, sha256, add=wanted, remove=stale)
    if not (before and was_taken_off(before, labels)):  # what a person took off is remembered
        others = tuple(label for label in facts.labels if label != answer.label)
        label = answer.label if sure else ""
        keep_prediction(
            space,
            sha256,
            name,
            Prediction(label=label, best=answer.label, probability=answer.probability, version=version, others=others),
        )
    if is_of_people:
        return "of_people"
    return wanted[0] if wanted else "unsure"
