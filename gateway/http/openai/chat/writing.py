"""Chats with a causal language model, without the library: the model goes on with the conversation."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from threading import Event
from typing import Any, Literal
from uuid import uuid4

from fastapi import Response
from sse_starlette import EventSourceResponse

from flows.running.platform import Space
from flows.writing.write_text import pieces
from gateway.errors import WrongInput
from gateway.http.access import Caller
from gateway.http.openai.chat.messages import ChatOut, ChatRequest, ChoiceOut, MessageOut, UsageOut, chunk
from media.errors import ItemError
from modalities.errors import ModelUnavailable
from modalities.writing.requests import MOST_TOKENS, Turn, Write, Written

_ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_MAX_TOKENS = 512
Piece = str | Written | ItemError


async def write_turn(caller: Caller, asked: ChatRequest, model: str) -> Response | ChatOut:
    """Answer with the next turn, streamed or whole. Without a seed, each time with another one. Raises WrongInput."""
    request = write_request(asked, model)
    answer = _in_thread(caller.space, request, caller.services.writing_slot)
    first = await anext(answer)  # what is wrong with the request is said before the stream begins
    if isinstance(first, ItemError):
        await answer.aclose()
        raise first
    completion, created = f"chatcmpl-{uuid4().hex}", int(time.time())
    if asked.stream:
        return EventSourceResponse(_events(asked, first, answer, completion, created, model))
    written = first if isinstance(first, Written) else await _last(answer)
    choice = ChoiceOut(message=MessageOut(content=written.text), finish_reason=written.finish)
    return ChatOut(id=completion, created=created, model=model, choices=[choice], usage=_usage(written))


async def _last(answer: AsyncGenerator[Piece]) -> Written:
    """The whole of what is written. Raises ItemError."""
    async with aclosing(answer):
        async for piece in answer:
            if isinstance(piece, ItemError):
                raise piece
            if isinstance(piece, Written):
                return piece
    raise ModelUnavailable("The model ended without an answer.")


def write_request(asked: ChatRequest, model: str) -> Write:
    """The request to the model. Raises WrongInput if no message has a text."""
    said = [message for message in asked.messages if message.role in _ROLES and message.text.strip()]
    turns = tuple(Turn(role=_ROLES[message.role], text=message.text) for message in said)
    if not turns:
        raise WrongInput("messages: none of them has a text to go on from.")
    seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed % 2**32
    return Write(
        model=model,
        turns=turns,
        max_tokens=min(asked.max_completion_tokens or asked.max_tokens or _MAX_TOKENS, MOST_TOKENS),
        temperature=1.0 if asked.temperature is None else asked.temperature,
        top_p=1.0 if asked.top_p is None else asked.top_p,
        seed=seed,
    )


async def _in_thread(space: Space, request: Write, slot: asyncio.Semaphore) -> AsyncGenerator[Piece]:
    """Yield the pieces that a thread writes, then the whole, or the error; the thread stops where nobody listens."""
    loop, queue, is_over = asyncio.get_running_loop(), asyncio.Queue[Piece](), Event()

    def tell(piece: Piece) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, piece)

    def write() -> None:
        space.platform.pool.refresh()
        writing = pieces(space, request)
        try:
            while not is_over.is_set():
                tell(next(writing))
        except StopIteration as stop:
            tell(stop.value)
        except ItemError as error:
            tell(error)
        finally:
            writing.close()

    async with slot:
        thread = asyncio.create_task(asyncio.to_thread(write))
        thread.add_done_callback(lambda task: None if task.cancelled() else _tell_failure(task, queue))
        try:
            while True:
                piece = await queue.get()
                yield piece
                if not isinstance(piece, str):
                    return
        finally:
            is_over.set()


def _tell_failure(task: "asyncio.Task[None]", queue: "asyncio.Queue[Piece]") -> None:
    """End the answer of a thread that failed with an error of no vocabulary of ours."""
    if error := task.exception():
        queue.put_nowait(ItemError(f"The model failed: {type(error).__name__}."))


async def _events(
    asked: ChatRequest, first: Piece, others: AsyncGenerator[Piece], completion: str, created: int, model: str
) -> AsyncIterator[dict[str, str]]:
    """Yield the text as it is written, and its end, as OpenAI streams them."""
    yield _event(chunk(completion, created, model, {"role": "assistant", "content": ""}, None))
    piece: Piece | None = first
    async with aclosing(others):
        while isinstance(piece, str):
            if piece:
                yield _event(chunk(completion, created, model, {"content": piece}, None))
            piece = await anext(others, None)
    if isinstance(piece, Written):
        yield _event(chunk(completion, created, model, {}, piece.finish))
        if asked.stream_options and asked.stream_options.include_usage:
            usage = {**chunk(completion, created, model, {}, None), "choices": []}
            yield _event(usage | {"usage": _usage(piece).model_dump()})
    elif piece is not None:
        yield _event({"error": {"message": str(piece), "type": "server_error", "param": None, "code": None}})
    yield {"data": "[DONE]"}


def _event(document: dict[str, Any]) -> dict[str, str]:
    return {"data": json.dumps(document, ensure_ascii=False)}


def _usage(written: Written) -> UsageOut:
    prompt, completion = written.prompt_tokens, written.completion_tokens
    return UsageOut(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
