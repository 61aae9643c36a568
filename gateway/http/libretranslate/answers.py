"""Translate the texts of a request: short ones at once, in this process; long ones in a job."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi.concurrency import run_in_threadpool

from flows.library.translation.documents import translate_document, translate_lines
from flows.running.content_forms import Text
from flows.running.context import RunContext
from flows.translate_text import TranslationReport
from gateway.forms import fill_form
from gateway.http.access import Caller
from gateway.http.instant_translation import MOST_CHARACTERS, is_unavailable_here
from media.errors import ItemError
from modalities.translation.requests import Doubt
from modalities.translation.routes import route

_DEPLOYMENT = "translate-text"


@dataclass(frozen=True)
class Asked:
    """A text, its language, and its format: text or html."""

    text: str
    source: str
    format: str


@dataclass(frozen=True)
class Said:
    """A translation, other ones, and why it may be wrong."""

    text: str
    others: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


async def translate_texts(caller: Caller, asked: Sequence[Asked], target: str, alternatives: int) -> list[Said]:
    """Translate texts. Raises UnsupportedLanguagePair before a job is started."""
    wanted = [each for each in asked if any(map(str.isalpha, each.text))]
    for source in dict.fromkeys(each.source for each in wanted):
        await run_in_threadpool(route, caller.space.catalogue, source, target)
    if sum(len(each.text) for each in wanted) <= MOST_CHARACTERS:
        context = caller.services.instant_translation.context(caller.space)
        try:
            answers = await _at_once(context, wanted, target, alternatives)
        except ItemError as error:
            if not is_unavailable_here(error):
                raise
            answers = await _in_jobs(caller, wanted, target)
    else:
        answers = await _in_jobs(caller, wanted, target)
    return [answers[each] if each in answers else Said(each.text) for each in asked]


async def _at_once(context: RunContext, asked: Sequence[Asked], target: str, alternatives: int) -> dict[Asked, Said]:
    answers: dict[Asked, Said] = {}
    for each in _pages(asked):
        page = await translate_document(context, each.text.encode(), ".html", each.source, target)
        answers[each] = Said(page.data.decode(), doubts=_reasons(page.doubts))
    for source, texts in _texts_by_source(asked).items():
        lines = [line for each in texts for line in each.text.split("\n")]
        translated = await translate_lines(context, lines, source, target, alternatives)
        answers |= _split(texts, translated.texts, translated.doubts, translated.alternatives)
    return answers


async def _in_jobs(caller: Caller, asked: Sequence[Asked], target: str) -> dict[Asked, Said]:
    """Translate all texts of a language in one job, and each page in a job of its own."""
    answers: dict[Asked, Said] = {}
    for each in _pages(asked):
        report = await _run_job(caller, each.text, each.source, target, "html")
        answers[each] = Said(report.text, doubts=_reasons(report.doubts))
    for source, texts in _texts_by_source(asked).items():
        report = await _run_job(caller, "\n".join(each.text for each in texts), source, target, "text")
        answers |= _split(texts, report.text.split("\n"), report.doubts)
    return answers


async def _run_job(caller: Caller, text: str, source: str, target: str, form: str) -> TranslationReport:
    values = fill_form(Text, text=text, source=source, target=target, format=form, project=caller.project)
    jobs = caller.services.jobs
    job = await jobs.start(caller.person, caller.project, _DEPLOYMENT, {"text": values.model_dump(mode="json")})
    return TranslationReport.model_validate(await jobs.wait_for_result(caller.project, job.id))


def _pages(asked: Sequence[Asked]) -> list[Asked]:
    """Return the HTML among what is asked, each once."""
    return [each for each in dict.fromkeys(asked) if each.format == "html"]


def _texts_by_source(asked: Sequence[Asked]) -> dict[str, list[Asked]]:
    """Group the plain texts by their language, each once."""
    texts: defaultdict[str, list[Asked]] = defaultdict(list)
    for each in dict.fromkeys(asked):
        if each.format == "text":
            texts[each.source].append(each)
    return texts


def _split(
    texts: Sequence[Asked],
    lines: Sequence[str],
    doubts: Sequence[Doubt],
    alternatives: Sequence[tuple[str, ...]] = (),
) -> dict[Asked, Said]:
    """Split the translated lines of texts that were joined: each text gets its lines, and the doubts about them.

    Only a text of one line has alternatives.
    """
    answers: dict[Asked, Said] = {}
    start = 0
    for each in texts:
        end = start + each.text.count("\n") + 1
        others = alternatives[start] if alternatives and end == start + 1 else ()
        own = [doubt for doubt in doubts if start <= doubt.line < end]
        answers[each] = Said("\n".join(lines[start:end]), others, _reasons(own))
        start = end
    return answers


def _reasons(doubts: Sequence[Doubt]) -> tuple[str, ...]:
    """Return the reasons of the doubts in the order of their lines, each once."""
    return tuple(dict.fromkeys(doubt.reason for doubt in sorted(doubts, key=lambda doubt: doubt.line)))
