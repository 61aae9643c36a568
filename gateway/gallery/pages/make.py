"""Asking for pictures, and watching them come."""

from collections.abc import Sequence
from typing import Annotated, Any, get_args
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ValidationError

from flows.generate_images import generation_requests
from flows.library.inputs import resolve_input
from flows.running.content_forms import Size
from flows.running.context import local_context
from flows.running.errors import EXPECTED
from flows.running.platform import Space
from gateway.errors import GatewayError
from gateway.gallery.page import Reader, see
from gateway.gallery.parts.picture_order import STYLES, Asked, order_like
from gateway.gallery.route import GalleryRoute
from gateway.http.access import Maker, Viewer
from gateway.http.jobs.job import Job
from modalities.generation.diffusion import GeneratedImage
from modalities.generation.pipelines import Scheduler
from modalities.models.operators import recipe_name

router = APIRouter(route_class=GalleryRoute, include_in_schema=False)
DEPLOYMENT = "generate-images"


class Made(BaseModel):
    """A picture of an order."""

    id: str
    seed: int
    name: str


@router.get("/make")
async def form(request: Request, caller: Maker, like: str = "") -> Response:
    """The form, empty or filled with what made a picture."""
    order = await run_in_threadpool(order_like, caller.space, like) if like else Asked()
    return await _page(Reader(request, caller.person), caller.space, order, candidate=like)


@router.post("/make")
async def ask(request: Request, caller: Maker, asked: Annotated[Asked, Form()]) -> Response:
    """Start the job, and go where it can be watched."""
    reader = Reader(request, caller.person)
    try:
        order = asked.order(caller.project)
        values = {"order": order.model_dump(mode="json")}
        job = await caller.services.jobs.submit(caller.person, caller.project, DEPLOYMENT, values)
    except ValidationError as error:
        fault = error.errors()[0]
        sentence = f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}."
        return await _page(reader, caller.space, asked, fault=sentence, status=422)
    except (*EXPECTED, GatewayError) as error:
        return await _page(reader, caller.space, asked, fault=str(error), status=422)
    return see(f"/make/{job.id}?{asked.query}")


@router.get("/make/{job}")
async def watch(request: Request, caller: Viewer, job: UUID) -> Response:
    """The pictures so far; the address holds the order."""
    reader, asked = Reader(request, caller.person), Asked.model_validate(dict(request.query_params))
    found = await caller.services.jobs.get(caller.project, job)
    return await _page(reader, caller.space, asked, job=found)


@router.get("/make/{job}/pictures")
async def pictures(request: Request, caller: Viewer, job: UUID) -> Response:
    """The part of the page that changes."""
    reader, asked = Reader(request, caller.person), Asked.model_validate(dict(request.query_params))
    found = await caller.services.jobs.get(caller.project, job)
    html = reader.fill("made.html", **await _state(reader, caller.space, asked, found))
    return HTMLResponse(html, headers={"X-Ended": "yes" if found.is_final else "no", "Cache-Control": "no-store"})


@router.post("/make/{job}/cancel")
async def cancel(request: Request, caller: Maker, job: UUID) -> Response:
    """Stop it; what is done stays."""
    await caller.services.jobs.cancel(caller.project, job)
    return see(f"/make/{job}?{request.url.query}")


async def _page(
    reader: Reader,
    space: Space,
    asked: Asked,
    *,
    job: Job | None = None,
    candidate: str = "",
    fault: str = "",
    status: int = 200,
) -> Response:
    start = asked.start_from or candidate
    return reader.page(
        "make.html",
        here="make",
        status=status,
        sizes=get_args(Size),
        schedulers=get_args(Scheduler),
        styles=STYLES,
        models=[name for name, spec in space.catalogue.models.items() if recipe_name(spec).endswith(":Diffusion")],
        start=await run_in_threadpool(resolve_input, space, start) if start else None,
        fault=fault,
        **(
            await _state(reader, space, asked, job) if job else {"order": asked, "job": None, "images": [], "query": ""}
        ),
    )


async def _state(reader: Reader, space: Space, asked: Asked, job: Job) -> dict[str, Any]:
    images = await run_in_threadpool(made_so_far, space, asked)
    return {
        "order": asked,
        "job": job,
        "sentence": sentence_of(reader, job),
        "images": images,
        "query": asked.query,
        "reviewed": urlencode({"of": [made.id for made in images]}, doseq=True),
        "all": int(asked.count) if asked.count.isdigit() else 0,
    }


def made_so_far(space: Space, asked: Asked) -> Sequence[Made]:
    """The pictures of an order that exist, in order; each lies in the bucket as soon as it is done."""
    try:
        requests = generation_requests(local_context(space), asked.order(space.project))
    except (*EXPECTED, ValidationError):
        return ()  # the job says why
    return [
        Made(id=answer.image.sha256, seed=answer.seed, name=f"{request.prompt} ({answer.seed})")
        for request, answer in zip(requests, space.answers.find_all(requests), strict=True)
        if isinstance(answer, GeneratedImage)
    ]


def sentence_of(reader: Reader, job: Job) -> str:
    """How a job stands, for a person."""
    if job.state == "queued" and job.position:
        return reader.say("Number {position} in the queue", position=job.position)
    if job.state == "running" and job.estimate_seconds:
        return reader.say("Being made, about {seconds} s to go", seconds=round(job.estimate_seconds))
    words = {
        "queued": "Waiting to start",
        "running": "Being made",
        "waiting": "Waiting for an answer",
        "cancelling": "Being stopped",
        "completed": "Done",
        "failed": "It failed",
        "refused": "It was refused",
        "cancelled": "Stopped",
    }
    return reader.say(words[job.state])
