"""/api/ask: answers from the library with citations, and what people say about them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool

from flows.answering.ask import answer_question
from flows.answering.form import Ask
from flows.answering.intents import IntentSettings, intent_settings, keep_intent_settings, set_intents, with_intent
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
from gateway.http.jobs.deliveries import enqueue_event

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


@router.get("/intents")
def show_intents(caller: Maker) -> IntentSettings | None:
    """How the project finds out what is wanted, and what is handed over to a person; null if it does not."""
    return intent_settings(caller.space)


@router.put("/intents")
async def change_intents(caller: Maker, settings: IntentSettings) -> IntentSettings:
    """Let a classifier say what is wanted; it has to be published, and one of texts."""
    async with caller.services.query_embeddings.embedding_slots:
        await set_intents(local_context(caller.space), settings)
    return settings


@router.delete("/intents", status_code=204)
def remove_intents(caller: Maker) -> None:
    """Hand nothing over any more."""
    keep_intent_settings(caller.space, None)


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
    """Answer a caller's question with the models that stay loaded in the gateway, or hand it over to a person."""
    embeddings, context = caller.services.query_embeddings, local_context(caller.space)
    report = await answer_question(context, asked, embeddings.encode, embeddings.encode_passages)
    report = await with_intent(context, asked.question, report, embeddings.embedding_slots)
    return await _hand_over(caller, asked, report) if report.handed_over else report


async def _hand_over(caller: Caller, asked: Ask, report: AnswerReport) -> AnswerReport:
    """Tell the webhooks of the project; a notice says if there are none."""
    data = {
        "project": caller.project,
        "person": caller.person.name,
        "question": asked.question,
        "before": asked.before,
        **report.model_dump(mode="json", include={"language", "intent", "near"}),
    }
    services = caller.services
    told = await run_in_threadpool(
        enqueue_event, services.platform.bucket, services.webhooks, caller.project, "answer.handed_over", data
    )
    notices = report.notices if told else (*report.notices, "Nobody was told: the project has no webhook.")
    return report.model_copy(update={"notices": notices})
