"""The page that answers questions from what is in the library."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from fastapi.concurrency import run_in_threadpool

from flows.answering.form import Ask
from flows.answering.reports import AnswerReport, Citation
from flows.library.markdown import format_time
from flows.running.errors import EXPECTED
from gateway.errors import GatewayError
from gateway.forms import fill_form
from gateway.gallery.page import PageRenderer
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Caller, Viewer
from gateway.http.body_limits import starts_no_job
from gateway.http.feedback import Opinion, keep_opinion
from gateway.http.routes.ask import answer_for

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)
_REMEMBERED = 10
"""Questions of a conversation that go on to the next."""


@router.get("/ask")
async def show_form(request: Request, caller: Viewer) -> Response:
    """Show the empty form."""
    return _page(request, caller)


@router.post("/ask")
@starts_no_job
async def submit(
    request: Request,
    caller: Viewer,
    question: Annotated[str, Form(max_length=2000)] = "",
    before: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Answer the question; those before it in the conversation come along in the form, and are kept nowhere else."""
    earlier = (before or [])[-_REMEMBERED:]
    if not question.strip():
        return _page(request, caller, before=earlier)
    try:
        asked = fill_form(Ask, question=question.strip(), before=earlier, project=caller.project)
        report = await answer_for(caller, asked)
    except (*EXPECTED, GatewayError) as error:
        if getattr(error, "retryable", False):
            raise
        return _page(request, caller, before=earlier, error=str(error), status=422)
    return _page(request, caller, asked=question.strip(), report=report, before=[*earlier, question.strip()])


@router.post("/ask/feedback")
@starts_no_job
async def feedback(
    request: Request,
    caller: Viewer,
    helpful: Annotated[Literal["yes", "no"], Form()],
    known: Annotated[bool, Form()] = True,
    artifact: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Keep whether the answer helped, and thank."""
    opinion = fill_form(Opinion, helpful=helpful == "yes", known=known, artifacts=artifact or [])
    await run_in_threadpool(keep_opinion, caller.services.platform.bucket, caller.project, opinion)
    return _page(request, caller, thanked=True)


def _page(
    request: Request,
    caller: Caller,
    *,
    asked: str = "",
    report: AnswerReport | None = None,
    before: list[str] | None = None,
    error: str = "",
    thanked: bool = False,
    status: int = 200,
) -> Response:
    return PageRenderer(request, caller.person).page(
        "ask.html",
        current="ask",
        status=status,
        asked=asked,
        report=report,
        before=before or [],
        error=error,
        thanked=thanked,
        moment=_moment,
    )


def _moment(citation: Citation) -> str:
    return format_time(citation.start_seconds) if citation.start_seconds is not None else ""
