"""Start picture jobs."""

import asyncio

from flows.generate_images import generation_requests
from flows.running.content_forms import PictureOrder
from flows.running.context import local_context
from gateway.http.access import Caller
from gateway.http.jobs.job import Job
from modalities.generation.requests import GenerateImage

DEPLOYMENT = "generate-images"


async def start_picture_job(caller: Caller, order: PictureOrder) -> tuple[Job, list[GenerateImage]]:
    """Start the job of an order; return it with one request per picture."""
    requests = await asyncio.to_thread(generation_requests, local_context(caller.space), order)
    values = {"order": order.model_dump(mode="json")}
    job = await caller.services.jobs.start(caller.person, caller.project, DEPLOYMENT, values)
    return job, requests
