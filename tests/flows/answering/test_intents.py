"""What is wanted decides who answers: a person where it is unclear, or of a label that is handed over."""

import pytest

from flows.answering.intents import (
    IntentSettings,
    intent_settings,
    judged,
    keep_intent_settings,
    set_intents,
    with_intent,
)
from flows.answering.reports import AnswerReport, Citation
from flows.running.context import RunContext
from modalities.classification.requests import Classified
from modalities.errors import ModelFault

SETTINGS = IntentSettings(classifier="wishes", least=0.6, hand_over=("complaint",))
REPORT = AnswerReport(
    question="Wann öffnet das Bad?",
    language="de",
    known=True,
    text="Um neun. [1]",
    citations=(Citation(number=1, artifact="a" * 64, name="bad.txt", kind="text", score=0.9, quote="", text=""),),
)


def said(label: str, probability: float, *, in_scope: bool = True) -> Classified:
    return Classified(label=label, probability=probability, in_scope=in_scope, probabilities={label: probability})


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (said("opening", 0.9), ""),
        (said("opening", 0.59), "not clear"),
        (said("opening", 0.9, in_scope=False), "not clear"),
        (said("complaint", 0.99), "'complaint'"),
    ],
)
def test_a_person_answers_what_is_unclear_or_of_some_labels(found: Classified, why: str) -> None:
    intent = judged(found, SETTINGS)
    assert bool(intent.why) == bool(why)
    assert why in intent.why


async def test_without_settings_the_answer_stays_and_a_lost_classifier_is_a_notice(context: RunContext) -> None:
    assert intent_settings(context.space) is None
    assert await with_intent(context, REPORT.question, REPORT) == REPORT
    with pytest.raises(ModelFault):
        await set_intents(context, SETTINGS)
    assert intent_settings(context.space) is None
    keep_intent_settings(context.space, SETTINGS)
    report = await with_intent(context, REPORT.question, REPORT)
    assert (report.text, report.handed_over, report.intent) == (REPORT.text, False, None)
    assert "What is wanted is not known" in report.notices[0]
    keep_intent_settings(context.space, None)
    assert await with_intent(context, REPORT.question, REPORT) == REPORT
