"""Writing: a text goes on, by a causal language model."""

from collections.abc import Generator
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import BaseModel

from flows.running.context import RunContext
from flows.running.platform import Space
from flows.running.prefect_context import run_as_flow
from flows.writing.form import Writing
from flows.writing.models import resolve_writer
from modalities.errors import ModelUnavailable
from modalities.writing.causal_lm import CausalLm
from modalities.writing.requests import Turn, Write, Written


class WritingReport(BaseModel):
    """What was written, by which model and seed; `finish` is `length` where it was cut."""

    text: str
    model: str
    seed: int
    finish: str
    prompt_tokens: int
    completion_tokens: int

    def __str__(self) -> str:
        return f"{self.completion_tokens} tokens by {self.model}."


@flow(name="write-text")
async def write_text(writing: Writing) -> State[Any]:
    """Go on with a text."""
    return await run_as_flow(writing.project, lambda context: write(context, writing))


async def write(context: RunContext, writing: Writing) -> WritingReport:
    """Ask the model; the same text, settings and seed are computed once. Raises UnknownModel, InvalidRequest."""
    context.space.platform.pool.refresh()
    request = request_of(context.space, writing)
    return report_of(request, await context.answer(request))


def request_of(space: Space, writing: Writing) -> Write:
    """The request of a form. Raises UnknownModel."""
    told = [Turn(role="system", text=writing.instructions)] if writing.instructions else []
    return Write(
        model=resolve_writer(space, writing.model),
        turns=(*told, Turn(role="user", text=writing.text)),
        max_tokens=writing.max_tokens,
        temperature=writing.temperature,
        top_p=writing.top_p,
        seed=writing.seed,
    )


def report_of(request: Write, written: Written) -> WritingReport:
    """The report of an answer."""
    return WritingReport(model=request.model, seed=request.seed, **written.model_dump())


def pieces(space: Space, request: Write) -> Generator[str, None, Written]:
    """Yield the text piece by piece as a model of this process writes it; nothing of it is stored.

    The return value is the whole. Raises InvalidRequest, ModelUnavailable.
    """
    with space.platform.pool.operator(request.model) as operator:
        if not isinstance(operator, CausalLm):
            raise ModelUnavailable(f"{request.model} is no causal language model.")
        return (yield from operator.write(request))
