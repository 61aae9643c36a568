"""/api/ask: answers from the library with citations, and what people say about them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from flows.answering.ask import answer_question
from flows.answering.form import Ask
from flows.answering.reports import AnswerReport
from flows.running.context import local_context
from gateway.http.access import Caller, Maker, Viewer
from gateway.http.body_limits import starts_no_job
from gateway.http.feedback import (
    Feedback,
    Opinion,
    keep_opinion,
    list_feedback,
    remove_all_feedback,
    remove_feedback,
)

router = APIRouter(prefix="/api/ask", tags=["Answers"])


@router.post("")
@starts_no_job
async def ask(caller: Viewer, asked: Ask) -> AnswerReport:
    """Answer a question from what is in the library, with citations; nothing of the question is kept."""
    return await answer_for(caller.in_project(asked.project if "project" in asked.model_fields_set else None), asked)


@router.get("")
async def ask_by_address(caller: Viewer, q: Annotated[str, Query(min_length=1, max_length=2000)]) -> AnswerReport:
    """Answer a question that is in the address."""
    return await answer_for(caller, Ask(question=q, project=caller.project))


@router.post("/feedback", status_code=201)
@starts_no_job
async def keep_feedback(caller: Viewer, opinion: Opinion) -> Feedback:
    """Keep whether an answer helped: no name, the day, the cited artifacts, and the question only if it is sent."""
    return await run_in_threadpool(keep_opinion, caller.services.platform.bucket, caller.project, opinion)


@router.get("/feedback")
def show_feedback(caller: Maker) -> list[Feedback]:
    """List what is kept."""
    return list_feedback(caller.services.platform.bucket, caller.project)


@router.delete("/feedback", status_code=204)
def delete_all_feedback(caller: Maker) -> None:
    """Delete all that is kept."""
    remove_all_feedback(caller.services.platform.bucket, caller.project)


@router.delete("/feedback/{feedback}", status_code=204)
def delete_feedback(caller: Maker, feedback: UUID) -> None:
    """Delete one opinion."""
    remove_feedback(caller.services.platform.bucket, caller.project, feedback)


async def answer_for(caller: Caller, asked: Ask) -> AnswerReport:
    """Answer a caller's question with the models that stay loaded in the gateway."""
    embeddings = caller.services.query_embeddings
    return await answer_question(local_context(caller.space), asked, embeddings.encode, embeddings.encode_passages)
