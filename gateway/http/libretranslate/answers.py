"""Translate the texts of a request: short ones at once, in this process; long ones in a job."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from fastapi.concurrency import run_in_threadpool

from flows.library.translation.documents import translate_document, translate_lines
from flows.running.content_forms import Text
from flows.running.context import RunContext
from gateway.forms import fill_form
from gateway.http.access import Caller
from gateway.http.instant_translation import MOST_CHARACTERS, is_unavailable_here
from media.errors import ItemError
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
    for source, group in groupby(sorted(set(asked), key=lambda each: each.source), key=lambda each: each.source):
        texts = list(group)
        for each in (each for each in texts if each.format == "html"):
            page = await translate_document(context, each.text.encode(), ".html", source, target)
            answers[each] = Said(page.data.decode(), doubts=tuple(dict.fromkeys(d.reason for d in page.doubts)))
        plain = [each for each in texts if each.format == "text"]
        lines = [line for each in plain for line in each.text.split("\n")]
        if not lines:
            continue
        translated = await translate_lines(context, lines, source, target, alternatives)
        reasons: defaultdict[int, list[str]] = defaultdict(list)
        for doubt in translated.doubts:
            reasons[doubt.line].append(doubt.reason)
        start = 0
        for each in plain:
            end = start + each.text.count("\n") + 1
            others = translated.alternatives[start] if translated.alternatives and end == start + 1 else ()
            doubts = dict.fromkeys(reason for line in range(start, end) for reason in reasons[line])
            answers[each] = Said("\n".join(translated.texts[start:end]), others, tuple(doubts))
            start = end
    return answers


async def _in_jobs(caller: Caller, asked: Sequence[Asked], target: str) -> dict[Asked, Said]:
    """Translate all texts of a language in one job, and each page in a job of its own."""
    answers: dict[Asked, Said] = {}
    texts: defaultdict[str, list[Asked]] = defaultdict(list)
    for each in dict.fromkeys(asked):
        if each.format == "html":
            answers[each] = await _job(caller, each.text, each.source, target, "html")
        else:
            texts[each.source].append(each)
    for source, group in texts.items():
        said = (await _job(caller, "\n".join(each.text for each in group), source, target, "text")).text.split("\n")
        for each in group:
            count = each.text.count("\n") + 1
            answers[each] = Said("\n".join(said[:count]))
            del said[:count]
    return answers


async def _job(caller: Caller, text: str, source: str, target: str, form: str) -> Said:
    values = fill_form(Text, text=text, source=source, target=target, format=form, project=caller.project)
    jobs = caller.services.jobs
    job = await jobs.start(caller.person, caller.project, _DEPLOYMENT, {"text": values.model_dump(mode="json")})
    report = await jobs.wait_for_result(caller.project, job.id)
    return Said(str(report["text"]), doubts=tuple(dict.fromkeys(each["reason"] for each in report["doubts"])))
