"""Format server-sent events as OpenAI's clients read them."""

import json
from collections.abc import AsyncIterator
from typing import Any

from flows.running.errors import EXPECTED
from gateway.errors import GatewayError
from gateway.http.problems import openai_fault, status_of


async def sse_events(events: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, str]]:
    """Yield each event as JSON under its type for an EventSourceResponse; an error becomes the last event."""
    try:
        async for event in events:
            yield {"event": event["type"], "data": json.dumps(event, ensure_ascii=False)}
    except (*EXPECTED, GatewayError) as error:
        yield {"event": "error", "data": json.dumps({"error": openai_fault(status_of(error), str(error)).model_dump()})}
