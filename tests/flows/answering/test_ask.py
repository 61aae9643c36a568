"""Questions are answered with sentences of the library and their places, or with "I do not know"."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from flows.answering.ask import answer, encode_passages_here
from flows.answering.form import Ask
from flows.answering.reports import AnswerReport
from flows.running.context import RunContext, local_context
from flows.running.platform import Platform
from storage.index.parts import Entry, PartKind

PARTS: tuple[tuple[str, PartKind, str, str, float | None], ...] = (
    ("pump.pdf", "text", "Before the first start fill the pump with water.", "page=1", None),
    (
        "pump.pdf",
        "text",
        "The filter of the pump has to be rinsed every six months. The guarantee lasts for five years. "
        "Spare parts are ordered from Ilse Brandt.",
        "page=2",
        None,
    ),
    ("garage.txt", "text", "Die Garage kostet 55 Euro im Monat. Gemietet wird sie von Herrn Harms.", "", None),
    ("lighthouse.mp3", "speech", "I was the last keeper of the lighthouse.", "", 0.0),
    ("lighthouse.mp3", "speech", "The lamp was switched to automatic operation in 1994.", "", 6.5),
    ("sign.png", "image", "EAGLE TRAIL\nLength 7.4 km", "", None),
)


@pytest.fixture(scope="module")
async def context(platform: Platform) -> RunContext:
    """The parts of an English manual, a German contract, a recording and a sign, as ingesting them makes them."""
    context = local_context(platform.space(f"asking-{uuid4().hex[:8]}"))
    model = context.space.profile.passages
    space = platform.vector_space(model)
    vectors = await encode_passages_here(context, model, [text for _, _, text, _, _ in PARTS])
    names = [name for name, *_ in PARTS]
    entries = [
        Entry(
            project=context.space.project,
            kind=kind,
            artifact=f"{sorted(set(names)).index(name):064x}",
            ordinal=names[:number].count(name),
            name=name,
            text=text,
            start_seconds=start,
            end_seconds=None if start is None else start + 5,
            labels=(),
            created=datetime.now(UTC),
            vectors={} if kind == "image" else {space: vectors[number].tolist()},
            place=place,
        )
        for number, (name, kind, text, place, start) in enumerate(PARTS)
    ]
    context.space.index.add(entries)
    for kind in ("text", "speech"):
        context.space.index.serve(context.space.project, kind, space)
    return context


async def ask(context: RunContext, question: str, *before: str) -> AnswerReport:
    return await answer(context, Ask(question=question, before=list(before), project=context.space.project))


async def test_the_answer_is_the_sentence_and_opens_at_its_page(context: RunContext) -> None:
    report = await ask(context, "How often must the filter be rinsed?")
    assert report.text == "The filter of the pump has to be rinsed every six months. [1]"
    cited = report.citations[0]
    assert (cited.name, cited.place) == ("pump.pdf", "page=2")
    assert cited.address == f"/artifacts/{cited.artifact}?place=page%3D2#page=2"


async def test_speech_is_cited_at_its_second(context: RunContext) -> None:
    report = await ask(context, "When was the lamp of the lighthouse switched to automatic operation?")
    assert "1994" in report.text
    assert report.citations[0].address.endswith("?at=6.5")


async def test_a_sign_in_a_picture_answers(context: RunContext) -> None:
    report = await ask(context, "How long is the Eagle Trail?")
    assert (report.citations or report.near)[0].name == "sign.png"


async def test_a_question_in_another_language_is_answered(context: RunContext) -> None:
    report = await ask(context, "How much does the garage cost in a month?")
    assert report.known
    assert "55 Euro" in report.text


async def test_what_no_file_says_is_not_known_in_the_language_of_the_question(context: RunContext) -> None:
    english = await ask(context, "How loud is the pump in decibels?")
    german = await ask(context, "Wie breit ist die Garage?")
    assert (english.known, german.known) == (False, False)
    assert english.text == "I do not know: none of the 4 files that I looked through answers this."
    assert german.text.startswith("Das weiß ich nicht: Keine der 4 Dateien")
    assert not english.citations
    assert "pump.pdf" in {each.name for each in english.near}


async def test_a_question_that_goes_on_is_about_the_subject_before(context: RunContext) -> None:
    report = await ask(
        context, "And how long does its guarantee last?", "How often must the filter of the pump be rinsed?"
    )
    assert "five years" in report.text


async def test_a_question_leaves_nothing_behind(context: RunContext) -> None:
    def keys() -> set[str]:
        return {each.key for each in context.space.platform.bucket.objects(f"{context.space.project}/")}

    before = keys()
    await ask(context, "Who sells spare parts of the pump?")
    assert keys() == before
