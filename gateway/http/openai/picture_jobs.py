"""Pictures as they come: each one as soon as it is made, while its job goes on."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from flows.generate_images import generation_requests
from flows.running.content_forms import PictureOrder
from flows.running.context import local_context
from flows.running.platform import Space
from gateway.http.access import Caller
from gateway.http.jobs.job import Job
from modalities.generation.diffusion import GeneratedImage, GenerateImage

DEPLOYMENT = "generate-images"
Made = tuple[int, GeneratedImage]
"""The number of a picture in its order, from 0, and the picture."""


async def order_pictures(caller: Caller, order: PictureOrder) -> tuple[Job, list[GenerateImage]]:
    """Start the job of an order; with it the requests whose answers are its pictures."""
    requests = await asyncio.to_thread(generation_requests, local_context(caller.space), order)
    values = {"order": order.model_dump(mode="json")}
    job = await caller.services.jobs.start(caller.person, caller.project, DEPLOYMENT, values)
    return job, requests


async def pictures_of(caller: Caller, job: Job, requests: Sequence[GenerateImage]) -> AsyncGenerator[Made]:
    """The pictures in the order in which they are made; ends with the last one, or with the job.

    Raises WrongInput or RunDidNotComplete when the job ends without any.
    """
    shown: set[int] = set()
    async for state in caller.services.jobs.follow(caller.project, job.id):
        for number, picture in await asyncio.to_thread(_made, caller.space, requests, shown):
            shown.add(number)
            yield number, picture
        if len(shown) == len(requests):
            return
        if state.is_final and not shown:
            await caller.services.jobs.result(caller.project, state)


def _made(space: Space, requests: Sequence[GenerateImage], shown: set[int]) -> list[Made]:
    wanted = [number for number in range(len(requests)) if number not in shown]
    found = space.answers.find_all([requests[number] for number in wanted])
    return [(n, got) for n, got in zip(wanted, found, strict=True) if isinstance(got, GeneratedImage)]
