"""/v1/chat/completions: a conversation with the library."""

import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from sse_starlette import EventSourceResponse

from flows.answering.form import Ask
from flows.answering.reports import AnswerReport, Citation
from flows.library.markdown import format_time
from gateway.forms import fill_form
from gateway.http.access import Caller, Viewer
from gateway.http.body_limits import body_limit, starts_no_job
from gateway.http.openai.chat.messages import (
    Annotation,
    ChatOut,
    ChatRequest,
    ChoiceOut,
    MessageOut,
    UrlCitation,
    chunk,
    usage_of,
)
from gateway.http.openai.chat.writing import write_turn
from gateway.http.openai.names import LIBRARY, resolve_chat_model
from gateway.http.routes.ask import answer_for

router = APIRouter(prefix="/v1/chat/completions", tags=["OpenAI"])
_EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}
_REMEMBERED = 20
_MARK = re.compile(r"\[(\d+)\]")
_BETWEEN_WORDS = re.compile(r"(?<=\s)")


@router.post("", response_model=ChatOut, responses=_EVENTS)
@starts_no_job
@body_limit(8_000_000)
async def complete(request: Request, caller: Viewer, asked: ChatRequest) -> Response | ChatOut:
    """Answer the last message of the user from the library, with links to where it stands.

    The questions before it are those that it may go on with; what other roles say is not read. A causal language model
    of the catalogue, or one of the project, goes on with the conversation without the library.
    """
    model = await run_in_threadpool(resolve_chat_model, caller.space, asked.model)
    if model != LIBRARY:
        return await write_turn(caller, asked, model)
    message = await _message(caller, asked, str(request.base_url).rstrip("/"))
    completion, created = f"chatcmpl-{uuid4().hex}", int(time.time())
    if asked.stream:
        return EventSourceResponse(_events(asked, message, completion, created, model))
    choice = ChoiceOut(message=message)
    return ChatOut(
        id=completion, created=created, model=model, choices=[choice], usage=usage_of(asked, message.content)
    )


async def _message(caller: Caller, asked: ChatRequest, base: str) -> MessageOut:
    *before, question = asked.questions()
    form = fill_form(Ask, question=question, before=before[-_REMEMBERED:], project=caller.project)
    report = await answer_for(caller, form)
    content = "\n".join((report.text, *_sources(report, base)))
    return MessageOut(content=content, annotations=list(_annotations(report, base)))


def _sources(report: AnswerReport, base: str) -> Iterator[str]:
    """Yield a line of Markdown for each citation, with its link."""
    if report.citations:
        yield ""
    for each in report.citations:
        yield f"- [{each.number}] [{_title(each)}]({base}{each.address})"


def _title(citation: Citation) -> str:
    moment = f", {format_time(citation.start_seconds)}" if citation.start_seconds is not None else ""
    place = f", {citation.place.replace('=', ' ')}" if citation.place and not citation.place.startswith("xywh") else ""
    return re.sub(r"([\\\[\]])", r"\\\1", f"{citation.name}{moment}{place}")


def _annotations(report: AnswerReport, base: str) -> Iterator[Annotation]:
    by_number = {each.number: each for each in report.citations}
    for found in _MARK.finditer(report.text):
        if cited := by_number.get(int(found[1])):
            start, end = found.span()
            yield Annotation(
                url_citation=UrlCitation(
                    start_index=start, end_index=end, title=cited.name, url=f"{base}{cited.address}"
                )
            )


async def _events(
    asked: ChatRequest, message: MessageOut, completion: str, created: int, model: str
) -> AsyncIterator[dict[str, str]]:
    """Yield the answer word by word, and its end, as OpenAI streams them."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in _BETWEEN_WORDS.split(message.content) if word]
    for delta in deltas:
        yield {"data": json.dumps(chunk(completion, created, model, delta, None), ensure_ascii=False)}
    last: dict[str, Any] = {"annotations": [each.model_dump() for each in message.annotations]}
    yield {"data": json.dumps(chunk(completion, created, model, last if message.annotations else {}, "stop"))}
    if asked.stream_options and asked.stream_options.include_usage:
        usage = {**chunk(completion, created, model, {}, None), "choices": []}
        yield {"data": json.dumps(usage | {"usage": usage_of(asked, message.content).model_dump()})}
    yield {"data": "[DONE]"}
