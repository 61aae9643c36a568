"""Yield previews of pictures that a job makes, and the pictures, as soon as each is there."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from gateway.http.access import Caller
from gateway.http.jobs.job import Job
from gateway.http.openai.job_answers import follow_answers
from modalities.generation.previews import find_previews, remove_previews
from modalities.generation.requests import GeneratedImage, GenerateImage

_POLL_SECONDS = 0.3


@dataclass(frozen=True)
class Preview:
    """An unfinished picture as a PNG file; `index` counts those of one picture, from 0."""

    index: int
    png: bytes
    width: int
    height: int


async def follow_pictures(
    caller: Caller, job: Job, requests: Sequence[GenerateImage]
) -> AsyncGenerator[GeneratedImage | Preview]:
    """Yield each picture of a job, and each preview that its request asks for before it. Raises as follow_answers."""
    answers = follow_answers(caller, job, requests)
    if not any(request.previews for request in requests):
        async for _, picture in answers:
            yield picture
        return
    shown: defaultdict[int, set[int]] = defaultdict(set)
    unanswered = set(range(len(requests)))
    following = asyncio.ensure_future(anext(answers))
    try:
        while unanswered:
            await asyncio.wait({following}, timeout=_POLL_SECONDS)
            for number in sorted(unanswered):
                for preview in await asyncio.to_thread(_new, caller, requests[number], shown[number]):
                    shown[number].add(preview.index)
                    yield preview
            if following.done():
                number, picture = following.result()
                unanswered.remove(number)
                yield picture
                following = asyncio.ensure_future(anext(answers))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await answers.aclose()
        await asyncio.to_thread(_remove, caller, requests)


def _new(caller: Caller, request: GenerateImage, known: set[int]) -> list[Preview]:
    found = find_previews(caller.services.platform.bucket, caller.project, request, known)
    return [Preview(number, data, request.width, request.height) for number, data in found]


def _remove(caller: Caller, requests: Sequence[GenerateImage]) -> None:
    for request in requests:
        remove_previews(caller.services.platform.bucket, caller.project, request)
