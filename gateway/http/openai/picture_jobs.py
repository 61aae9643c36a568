"""Start picture jobs, and yield each picture as soon as it is made, while the job still runs."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from flows.generate_images import generation_requests
from flows.running.content_forms import PictureOrder
from flows.running.context import local_context
from flows.running.platform import Space
from gateway.http.access import Caller
from gateway.http.jobs.job import Job
from modalities.generation.requests import GeneratedImage, GenerateImage

DEPLOYMENT = "generate-images"
NumberedPicture = tuple[int, GeneratedImage]
"""The index of a picture in its order, from 0, and the picture."""


async def start_picture_job(caller: Caller, order: PictureOrder) -> tuple[Job, list[GenerateImage]]:
    """Start the job of an order; return it with one request per picture."""
    requests = await asyncio.to_thread(generation_requests, local_context(caller.space), order)
    values = {"order": order.model_dump(mode="json")}
    job = await caller.services.jobs.start(caller.person, caller.project, DEPLOYMENT, values)
    return job, requests


async def follow_pictures(
    caller: Caller, job: Job, requests: Sequence[GenerateImage]
) -> AsyncGenerator[NumberedPicture]:
    """Yield the pictures in the order in which they are made, until the last one or the end of the job.

    Raises WrongInput or RunDidNotComplete if the job ends without any.
    """
    yielded: set[int] = set()
    async for state in caller.services.jobs.follow(caller.project, job.id):
        for number, picture in await asyncio.to_thread(_find_pictures, caller.space, requests, yielded):
            yielded.add(number)
            yield number, picture
        if len(yielded) == len(requests):
            return
        if state.is_final and not yielded:
            await caller.services.jobs.result(caller.project, state)


def _find_pictures(space: Space, requests: Sequence[GenerateImage], excluded: set[int]) -> list[NumberedPicture]:
    wanted = [number for number in range(len(requests)) if number not in excluded]
    found = space.answers.find_all([requests[number] for number in wanted])
    return [(n, got) for n, got in zip(wanted, found, strict=True) if isinstance(got, GeneratedImage)]
