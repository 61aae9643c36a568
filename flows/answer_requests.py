"""The flow of the `gpu` pool: load models, answer requests, store the answers."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.library.indexing import picture_embedding_request
from flows.running.context import RunContext
from flows.running.platform import Space
from flows.running.prefect_context import run_as_flow
from flows.running.requests import decode_requests, encode_failure, request_key
from media.errors import ItemError
from modalities.answers import Answer
from modalities.generation.requests import GeneratedImage
from storage.artifacts import Artifact


class AnswerReport(BaseModel):
    """How many requests were answered, and why the others were not, by request key."""

    answered: int
    failures: dict[str, dict[str, str]]

    def __str__(self) -> str:
        return f"{self.answered} answered, {len(self.failures)} failed."


@flow(name="answer-requests")
async def answer_requests(project: str, work: Artifact, watch: UUID | None = None) -> State[Any]:
    """Answer the requests in the document `work`, and store the answers in the bucket under their recipes."""

    async def answer_all(context: RunContext) -> AnswerReport:
        requests = decode_requests(await asyncio.to_thread(context.space.store.get, work))
        answers = await asyncio.to_thread(context.space.answers.run_all, requests, context.progress)
        failures = {
            request_key(request): encode_failure(answer)
            for request, answer in zip(requests, answers, strict=True)
            if isinstance(answer, ItemError)
        }
        await asyncio.to_thread(_embed_generated, context.space, answers)
        return AnswerReport(answered=len(requests) - len(failures), failures=failures)

    return await run_as_flow(project, answer_all, watch=watch)


def _embed_generated(space: Space, answers: Sequence[Answer]) -> None:
    """Embed generated pictures ahead of time (prefetch): the flow that ordered them requests that next.

    Failures are ignored here: the flow's own request reports them.
    """
    made = [answer.image for answer in answers if isinstance(answer, GeneratedImage)]
    if not made:
        return
    with suppress(ItemError):
        space.answers.run_all([picture_embedding_request(space, picture) for picture in made])
