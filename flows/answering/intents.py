"""What somebody who asks wants, by a classifier of the project, and when a person has to answer."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from flows.answering.reports import AnswerReport, Intent
from flows.library.classification.asking import ClassificationOrder, classify
from flows.running.context import RunContext
from flows.running.platform import Space
from media.errors import ItemError
from modalities.answering.questions import handed_over_sentence
from modalities.classification.requests import Classified
from modalities.errors import InvalidRequest

_SETTING = "intents"


class IntentSettings(BaseModel):
    """The classifier that says what is wanted, and which answers are left to a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    classifier: str = Field(min_length=1, max_length=41, description="A published classifier of texts.")
    least: float = Field(default=0.5, ge=0, le=1, description="Below this probability a person answers.")
    hand_over: tuple[str, ...] = Field(
        default=(), max_length=100, description="Labels that a person answers, however probable."
    )


_SHAPE = TypeAdapter(IntentSettings | None)


def intent_settings(space: Space) -> IntentSettings | None:
    """The settings of a project, or None: nothing is handed over. Raises RecordCorrupt."""
    return space.refs.get_as(_SETTING, _SHAPE)


def keep_intent_settings(space: Space, settings: IntentSettings | None) -> None:
    """Replace the settings of a project; None switches it off."""
    value: Any = settings.model_dump(mode="json") if settings else None
    space.refs.update(_SETTING, lambda _: value)


async def set_intents(context: RunContext, settings: IntentSettings) -> None:
    """Keep the settings. Raises ModelUnavailable for a classifier that is not there, InvalidRequest if it is no fit."""
    await _classified(context, settings.classifier, "How?")
    await asyncio.to_thread(keep_intent_settings, context.space, settings)


async def _classified(context: RunContext, classifier: str, question: str) -> Classified:
    """Classify a question. Raises ItemError."""
    order = ClassificationOrder(classifier=classifier, texts=[question], project=context.space.project)
    [found] = (await classify(context, order)).results
    if not isinstance(found, Classified):
        raise InvalidRequest(f"{classifier} gives texts a number: what is wanted needs a classifier with labels.")
    return found


async def intent_of(
    context: RunContext, question: str, turn: AbstractAsyncContextManager[object] | None = None
) -> tuple[Intent | None, tuple[str, ...]]:
    """What is wanted, and a notice where the classifier cannot say it; None where the project has no settings.

    The classifier waits for its `turn`, if there is one.
    """
    settings = await asyncio.to_thread(intent_settings, context.space)
    if settings is None:
        return None, ()
    try:
        async with turn or nullcontext():
            found = await _classified(context, settings.classifier, question)
    except ItemError as error:
        return None, (f"What is wanted is not known: {error}",)
    return judged(found, settings), ()


def judged(found: Classified, settings: IntentSettings) -> Intent:
    """The intent of a classification, with the reason if a person has to answer."""
    why = ""
    if found.label in settings.hand_over:
        why = f"A person answers what is about {found.label!r}."
    elif found.probability < settings.least or not found.in_scope:
        why = f"What is wanted is not clear: {found.label!r} with a probability of {found.probability:.2f}."
    return Intent(label=found.label, probability=found.probability, why=why)


async def with_intent(
    context: RunContext, question: str, report: AnswerReport, turn: AbstractAsyncContextManager[object] | None = None
) -> AnswerReport:
    """The report with what is wanted; where a person has to answer, it says so in place of the answer."""
    intent, notices = await intent_of(context, question, turn)
    update: dict[str, Any] = {"intent": intent, "notices": (*report.notices, *notices)}
    if intent and intent.why:
        update |= {
            "known": False,
            "handed_over": True,
            "text": handed_over_sentence(report.language),
            "sentences": (),
            "citations": (),
            "near": report.citations or report.near,
            "written_by": "",
        }
    return report.model_copy(update=update)
